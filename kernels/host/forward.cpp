// The forward kernel as a function of a shared library, for the tests.
#define HIHA_HOST
#include "../forward.cu"

extern "C" void host_forward(const ForwardArgs* args, u32 blocks, u32 networks) {
  ForwardArgs a = *args;
  host::launch({blocks, networks, 1}, {THREADS, 1, 1}, HIHA_SHARED_BYTES, [a] { siren_forward(a); });
}
