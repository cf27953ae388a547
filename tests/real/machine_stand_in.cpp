// First process of the machines in machine_test: does as little as a machine can. Greets whoever
// connects to port 7412 (so that a frozen one is told from a live one: its kernel still accepts),
// reaps, and ends at SIGTERM unless the folder of programs holds a file "refuses".
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int main() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    const int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(7412);
    if (bind(listener, reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0 ||
        listen(listener, 16) != 0) {
        return 1;
    }
    const bool stubborn = access("/usr/lib/jackdaw/refuses", F_OK) == 0;
    while (true) {
        pollfd waited[2] = {{signal_fd, POLLIN, 0}, {listener, POLLIN, 0}};
        if (poll(waited, 2, -1) < 0) {
            continue;
        }
        signalfd_siginfo info{};
        if ((waited[0].revents & POLLIN) != 0 &&
            read(signal_fd, &info, sizeof info) == sizeof info) {
            if (info.ssi_signo == SIGTERM && !stubborn) {
                return 0;
            }
            while (waitpid(-1, nullptr, WNOHANG) > 0) {
            }
        }
        if ((waited[1].revents & POLLIN) != 0) {
            const int client = accept(listener, nullptr, nullptr);
            if (client >= 0) {
                [[maybe_unused]] const auto sent = write(client, "jackdaw\n", 8);
                close(client);
            }
        }
    }
}
