// The Levenberg-Marquardt kernel as a function of a shared library, for the tests.
#define HIHA_HOST
#include "../newton.cu"

extern "C" void host_newton(const NewtonArgs* args, u32 blocks, u32) {
  NewtonArgs a = *args;
  host::launch({blocks, 1, 1}, {THREADS, 1, 1}, HIHA_SHARED_BYTES, [a] { siren_newton(a); });
}
