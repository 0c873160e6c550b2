// The training kernel as a function of a shared library, for the tests.
#define HIHA_HOST
#include "../train.cu"

extern "C" void host_train(const TrainArgs* args, u32 blocks, u32 networks) {
  TrainArgs a = *args;
  host::launch({blocks, networks, 1}, {THREADS, 1, 1}, HIHA_SHARED_BYTES, [a] { siren_train(a); });
}
