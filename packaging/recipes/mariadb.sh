# MariaDB. The -core packages hold the server without its start scripts and without a data folder made at
# installation (114 MiB). mariadb-backup is the tool of backups and of joining replicas.
# shellcheck shell=bash
recipe_default=10.11
recipe_version_package=mariadb-server-core

# recipe_release SERIES: the Debian release that carries it; fails for a series that none of ours does.
recipe_release() {
  case $1 in
    10.11) echo bookworm ;;
    11.8) echo trixie ;;
    *) return 1 ;;
  esac
}
recipe_series="10.11 11.8"
recipe_packages=(mariadb-server-core mariadb-client-core mariadb-backup)
recipe_memory_mib=256 # of a machine: memory_bytes_min() of the driver
