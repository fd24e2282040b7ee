# Shared by the scripts beside it; sourced, not run.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# say TEXT: a headline, with the minutes and seconds since the script began.
say() { printf '\n\033[1m== %d:%02d %s\033[0m\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*" >&2; }

# Build and test tools, and every library of cmake/TesseraDependencies.cmake.
PACKAGES=(
  build-essential cmake ninja-build pkg-config python3
  nlohmann-json3-dev libcli11-dev libfmt-dev libsentencepiece-dev libhwloc-dev libedit-dev
  libpcre2-dev libutf8proc-dev libxxhash-dev
  libjpeg-dev libpng-dev libwebp-dev libgif-dev
  libboost-dev libssl-dev prometheus-cpp-dev
)
TEST_PACKAGES=(
  libgtest-dev libgmock-dev libbenchmark-dev libboost-context-dev
  clang clang-format clang-tidy libclang-rt-dev
  chromium chromium-driver python3-venv fonts-dejavu-core
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

# CUDA's compiler, headers and static runtime, for builds with kernels: the machine's own toolkit, or
# NVIDIA's packages from PyPI (270 MB) beside the builds. Needs neither a driver nor a GPU.
CUDA_WHEELS=(
  nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88
  nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85
)
find_cuda_toolkit() {
  local nvcc
  for nvcc in "${CUDACXX:-nvcc}" /usr/local/cuda/bin/nvcc build/cuda-toolkit/nvidia/cu13/bin/nvcc; do
    nvcc=$(command -v "$nvcc") || continue
    if "$nvcc" --version | grep -qE 'release (1[3-9]|[2-9][0-9])\.'; then
      CUDACXX=$(realpath "$nvcc")
      CUDAToolkit_ROOT=$(dirname "$(dirname "$CUDACXX")")
      export CUDACXX CUDAToolkit_ROOT
      return 0
    fi
  done
  return 1
}
cuda_toolkit() {
  find_cuda_toolkit && return
  say "Installing the CUDA toolkit from PyPI into build/cuda-toolkit"
  install python3-pip
  python3 -m pip install -q --no-deps --target build/cuda-toolkit "${CUDA_WHEELS[@]}" >&2
  find_cuda_toolkit
}

# Whether there is a GPU that its driver knows.
has_gpu() { nvidia-smi -L >/dev/null 2>&1; }

# build PRESET [TARGET...]: configures when needed, builds what changed.
build() {
  local preset=$1
  shift
  [ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" >&2
  cmake --build --preset "$preset" ${1:+--target "$@"} >&2
}
