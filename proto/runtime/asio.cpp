// Those parts of Asio that are no templates, compiled once instead of in each unit that uses them
// (BOOST_ASIO_SEPARATE_COMPILATION; Asio's manual, "Using Asio").
#include <boost/asio/impl/src.hpp>
