// An NVRTC that compiles for the emulated GPU of driver.cpp, with the system's C++ compiler. SHIM is the path of shim.h.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace {
struct Program {
  std::string source, log, image;
};

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// How the driver calls a kernel.
std::string entry(const std::string& kernel, const std::string& args) {
  return "extern \"C\" void entry_" + kernel + "(void** a, unsigned x, unsigned y, unsigned threads, unsigned shared) {\n" +
         "  if (threads != THREADS || shared != HIHA_SHARED_BYTES) __builtin_trap();\n  " + args + " args = *static_cast<" + args +
         "*>(a[0]);\n  host::launch({x, y, 1}, {threads, 1, 1}, shared, [args] { " + kernel + "(args); });\n}\n";
}

std::string quoted(const char* text) { return " '" + std::string(text) + "'"; }
}  // namespace

extern "C" {
int nvrtcVersion(int* major, int* minor) { return *major = 0, *minor = 1, 0; }
int nvrtcGetNumSupportedArchs(int* n) { return *n = 1, 0; }
int nvrtcGetSupportedArchs(int* a) { return *a = 80, 0; }
int nvrtcCreateProgram(Program** p, const char* source, const char*, int, const char* const*, const char* const*) {
  return *p = new Program{source, {}, {}}, 0;
}
int nvrtcDestroyProgram(Program** p) { return delete *p, *p = nullptr, 0; }
int nvrtcCompileProgram(Program* p, int n, const char* const* options) {
  char folder[] = "/tmp/emulated-nvrtc-XXXXXX";
  if (!mkdtemp(folder)) return 6;
  std::string base = folder, defines;
  for (int i = 0; i < n; ++i)
    if (std::string(options[i]).rfind("-D", 0) == 0) defines += quoted(options[i]);
  auto has = [&](const char* define) { return defines.find(define) != std::string::npos; };
  bool peak = p->source.find("void __launch_bounds__(256) peak_ffma") != std::string::npos;
  std::string call = peak                     ? "#define THREADS 256\n#define HIHA_SHARED_BYTES 0\n" +
                                                    entry("peak_ffma", "PeakArgs") + entry("peak_tf32", "PeakArgs")
                     : has("HIHA_SAMPLES=")      ? entry("siren_newton", "NewtonArgs")
                     : has("HIHA_TRAINING=1") ? entry("siren_train", "TrainArgs")
                                              : entry("siren_forward", "ForwardArgs");
  std::ofstream(base + "/k.cpp") << p->source << "\n" << call;
  const char* compiler = getenv("CXX");
  std::string command = std::string(compiler ? compiler : "c++") +
                        " -std=c++17 -O2 -march=native -ffp-contract=off -U_FORTIFY_SOURCE -shared -fPIC -DHIHA_HOST -include" + quoted(SHIM) +
                        defines + " -o " + base + "/k.so " + base + "/k.cpp 2> " + base + "/log";
  int status = system(command.c_str());
  p->log = read(base + "/log");
  std::string code = read(base + "/k.so");
  uint64_t size = code.size();
  p->image = std::string(reinterpret_cast<char*>(&size), 8) + code;
  for (const char* file : {"/k.cpp", "/k.so", "/log", ""}) remove((base + file).c_str());
  return status == 0 ? 0 : 6;
}
int nvrtcGetCUBINSize(Program* p, size_t* n) { return *n = p->image.size(), 0; }
int nvrtcGetCUBIN(Program* p, char* to) { return p->image.copy(to, p->image.size()), 0; }
int nvrtcGetProgramLogSize(Program* p, size_t* n) { return *n = p->log.size() + 1, 0; }
int nvrtcGetProgramLog(Program* p, char* to) { return to[p->log.copy(to, p->log.size())] = 0, 0; }
}
