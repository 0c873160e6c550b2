// A CUDA driver (libcuda) whose GPU is this processor, for tests of the host side: the part of the driver API that the
// library uses, with NVRTC beside it (nvrtc.cpp) compiling for it. Two multiprocessors, compute capability 8.0.
//
// It is stricter than a real one: copies must lie within one allocation, launches must be of the size the kernel was
// compiled for and need the attribute for more than 48 KiB of shared memory, and a process ends with status 99 that leaves
// memory allocated or took more than one context.
// In the environment: EMULATED_MEMORY, the size of the GPU's memory in bytes; EMULATED_LAUNCHES, after which it breaks
// down; EMULATED_VERSION of the driver, EMULATED_DEVICES, how many there are, EMULATED_CAPABILITY, 80 for 8.0.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

typedef int CUresult;
enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 100, INVALID_DEVICE = 101, INVALID_IMAGE = 200, LAUNCH_FAILED = 719, TOO_LARGE = 720 };
typedef void (*Entry)(void** arguments, unsigned x, unsigned y, unsigned threads, unsigned shared);

namespace {
constexpr int MULTIPROCESSORS = 2, SHARED = 166912, RESIDENT = 1;
struct Gpu {
  std::recursive_mutex mutex;
  std::map<uint64_t, size_t> allocations;
  std::map<void*, int> shared;
  static size_t setting(const char* name, size_t otherwise) {
    const char* text = getenv(name);
    return text ? strtoull(text, nullptr, 10) : otherwise;
  }
  size_t used = 0, memory = setting("EMULATED_MEMORY", 1 << 30), launches = setting("EMULATED_LAUNCHES", ~size_t(0));
  int version = setting("EMULATED_VERSION", 12090), devices = setting("EMULATED_DEVICES", 1);
  int capability = setting("EMULATED_CAPABILITY", 80), contexts = 0;
  ~Gpu() {
    if (allocations.empty() && contexts <= 1) return;
    fprintf(stderr, "emulated GPU: %zu bytes were never freed, %d contexts\n", used, contexts);
    _exit(99);
  }
  bool holds(uint64_t at, size_t n) {
    auto after = allocations.upper_bound(at);
    if (after == allocations.begin()) return false;
    auto [start, size] = *--after;
    return at + n <= start + size;
  }
} gpu;
typedef std::lock_guard<std::recursive_mutex> Lock;
thread_local void* current;
char context;
}  // namespace

extern "C" {
CUresult cuInit(unsigned) { return gpu.devices > 0 ? SUCCESS : NO_DEVICE; }
CUresult cuDriverGetVersion(int* v) { return *v = gpu.version, SUCCESS; }
CUresult cuDeviceGetCount(int* n) { return *n = gpu.devices, SUCCESS; }
CUresult cuDeviceGet(int* device, int n) { return n < gpu.devices ? (*device = n, SUCCESS) : INVALID_DEVICE; }
CUresult cuDeviceGetName(char* name, int n, int) { return snprintf(name, n, "emulated GPU"), SUCCESS; }
CUresult cuDeviceGetAttribute(int* value, int attribute, int) {
  switch (attribute) {
    case 16: *value = MULTIPROCESSORS; return SUCCESS;
    case 75: *value = gpu.capability / 10; return SUCCESS;
    case 76: *value = gpu.capability % 10; return SUCCESS;
    case 97: *value = SHARED; return SUCCESS;
    case 115: *value = 1; return SUCCESS;
  }
  return INVALID_VALUE;
}
CUresult cuDevicePrimaryCtxRetain(void** c, int) { return ++gpu.contexts, *c = &context, SUCCESS; }
CUresult cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
CUresult cuCtxSetCurrent(void* c) { return current = c, SUCCESS; }
CUresult cuCtxGetCurrent(void** c) { return *c = current, SUCCESS; }
CUresult cuCtxSynchronize() { return SUCCESS; }
CUresult cuStreamCreate(void** s, unsigned) { return *s = new char, SUCCESS; }
CUresult cuStreamDestroy_v2(void* s) { return delete static_cast<char*>(s), SUCCESS; }
CUresult cuStreamSynchronize(void*) { return SUCCESS; }
CUresult cuStreamWaitEvent(void*, void*, unsigned) { return SUCCESS; }
CUresult cuEventCreate(void** e, unsigned) { return *e = new char, SUCCESS; }
CUresult cuEventDestroy_v2(void* e) { return delete static_cast<char*>(e), SUCCESS; }
CUresult cuEventRecord(void*, void*) { return SUCCESS; }
CUresult cuEventSynchronize(void*) { return SUCCESS; }

CUresult cuMemAlloc_v2(uint64_t* at, size_t n) {
  Lock lock(gpu.mutex);
  if (n == 0) return INVALID_VALUE;
  if (current != &context) return 201;
  if (gpu.used + n > gpu.memory) return OUT_OF_MEMORY;
  void* memory = aligned_alloc(256, (n + 255) / 256 * 256);
  memset(memory, 0xff, n);
  *at = reinterpret_cast<uint64_t>(memory);
  gpu.allocations[*at] = n;
  gpu.used += n;
  return SUCCESS;
}
CUresult cuMemAllocAsync(uint64_t* at, size_t n, void*) { return cuMemAlloc_v2(at, n); }
CUresult cuMemFree_v2(uint64_t at) {
  Lock lock(gpu.mutex);
  auto found = gpu.allocations.find(at);
  if (found == gpu.allocations.end()) return INVALID_VALUE;
  gpu.used -= found->second;
  gpu.allocations.erase(found);
  free(reinterpret_cast<void*>(at));
  return SUCCESS;
}
CUresult cuMemFreeAsync(uint64_t at, void*) { return cuMemFree_v2(at); }
CUresult cuMemsetD8Async(uint64_t at, unsigned char v, size_t n, void*) {
  Lock lock(gpu.mutex);
  return gpu.holds(at, n) ? (memset(reinterpret_cast<void*>(at), v, n), SUCCESS) : INVALID_VALUE;
}
CUresult cuMemcpyHtoDAsync_v2(uint64_t at, const void* from, size_t n, void*) {
  Lock lock(gpu.mutex);
  return gpu.holds(at, n) ? (memcpy(reinterpret_cast<void*>(at), from, n), SUCCESS) : INVALID_VALUE;
}
CUresult cuMemcpyDtoHAsync_v2(void* to, uint64_t at, size_t n, void*) {
  Lock lock(gpu.mutex);
  return gpu.holds(at, n) ? (memcpy(to, reinterpret_cast<void*>(at), n), SUCCESS) : INVALID_VALUE;
}

// A module is a library of this processor: nvrtc.cpp made it.
CUresult cuModuleLoadData(void** module, const void* image) {
  Lock lock(gpu.mutex);
  uint64_t size;
  memcpy(&size, image, 8);
  const char* bytes = static_cast<const char*>(image) + 8;
  if (size > 1 << 26 || memcmp(bytes, "\x7f" "ELF", 4)) return INVALID_IMAGE;
  char path[] = "/tmp/emulated-kernel-XXXXXX";
  int file = mkstemp(path);
  if (file < 0 || write(file, bytes, size) != static_cast<ssize_t>(size)) return INVALID_IMAGE;
  close(file);
  *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  unlink(path);
  return *module ? SUCCESS : INVALID_IMAGE;
}
// Its fibers and static objects would not survive being unloaded.
CUresult cuModuleUnload(void*) { return SUCCESS; }
CUresult cuModuleGetFunction(void** function, void* module, const char* name) {
  return (*function = dlsym(module, (std::string("entry_") + name).c_str())) ? SUCCESS : 500;
}
CUresult cuFuncSetAttribute(void* f, int attribute, int value) {
  Lock lock(gpu.mutex);
  if (attribute != 8 || value > SHARED) return INVALID_VALUE;
  return gpu.shared[f] = value, SUCCESS;
}
CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* n, void*, int, size_t shared, unsigned) {
  return shared <= SHARED ? (*n = RESIDENT, SUCCESS) : INVALID_VALUE;
}
CUresult cuLaunchKernel(void* f, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned ty, unsigned tz,
                        unsigned shared, void*, void** arguments, void**) {
  Lock lock(gpu.mutex);
  if (x == 0 || y == 0 || y > 65535 || z != 1 || ty != 1 || tz != 1 || threads > 1024) return INVALID_VALUE;
  if (shared > 48 << 10 && static_cast<int>(shared) > gpu.shared[f]) return INVALID_VALUE;
  if (gpu.launches == 0) return LAUNCH_FAILED;
  --gpu.launches;
  reinterpret_cast<Entry>(f)(arguments, x, y, threads, shared);
  return SUCCESS;
}
CUresult cuLaunchCooperativeKernel(void* f, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned ty,
                                   unsigned tz, unsigned shared, void* stream, void** arguments) {
  if (x * y > MULTIPROCESSORS * RESIDENT) return TOO_LARGE;
  return cuLaunchKernel(f, x, y, z, threads, ty, tz, shared, stream, arguments, nullptr);
}
CUresult cuGetErrorString(CUresult r, const char** text) {
  *text = r == OUT_OF_MEMORY ? "out of memory" : r == INVALID_IMAGE ? "invalid image" : r == LAUNCH_FAILED ? "unspecified launch failure" : "invalid value";
  return SUCCESS;
}
CUresult cuGetErrorName(CUresult r, const char** text) { return cuGetErrorString(r, text); }
}
