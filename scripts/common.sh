# Shared by the scripts beside it; sourced, not run.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n\033[1m== %s\033[0m\n' "$*" >&2; }

# Build and test tools, and every library of cmake/TesseraDependencies.cmake.
PACKAGES=(
  build-essential cmake ninja-build pkg-config python3
  nlohmann-json3-dev libcli11-dev libfmt-dev libsentencepiece-dev libhwloc-dev libedit-dev
  libpcre2-dev libutf8proc-dev libxxhash-dev
  libjpeg-dev libpng-dev libwebp-dev libgif-dev
)
TEST_PACKAGES=(
  libgtest-dev libgmock-dev libbenchmark-dev
  clang clang-format clang-tidy libclang-rt-dev
)

# install PACKAGE...: what is missing, with apt-get, through sudo where we are not root.
install() {
  local missing=()
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok' ||
      missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  say "Installing ${missing[*]}"
  local as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >&2
}

# build PRESET [TARGET...]: configures when needed, builds what changed.
build() {
  local preset=$1
  shift
  [ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" >&2
  cmake --build --preset "$preset" ${1:+--target "$@"} >&2
}
