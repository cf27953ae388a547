# No database server at all: the machine of the `fake` driver, which the tests run. It has what every machine has.
# shellcheck shell=bash
recipe_default=1.0
recipe_version_package=

# recipe_release SERIES: the Debian release that carries it; fails for a series that none of ours does.
recipe_release() {
  case $1 in
    1.0) echo bookworm ;;
    *) return 1 ;;
  esac
}
recipe_series="1.0"
recipe_packages=()
recipe_memory_mib=32 # of a machine: memory_bytes_min() of the driver
