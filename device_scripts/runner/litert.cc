#include "litert.h"

#include "failure.h"

namespace {

template <typename Function>
void find(void* library, const char* name, bool needed, Function& function) {
  void* symbol = dlsym(library, name);
  if (symbol == nullptr && needed) {
    fail("The library has no function %s. LiteRT 2.1.6 or newer is needed.", name);
  }
  memcpy(&function, &symbol, sizeof function);
}

const char* meaning(LiteRtStatus status) {
  switch (status) {
    case 1: return "invalid argument";
    case 2: return "out of memory";
    case 3: return "runtime failure";
    case 4: return "missing input tensor";
    case 5: return "unsupported";
    case 6: return "not found";
    case 7: return "timeout";
    case 8: return "wrong version";
    case 500: return "file can't be read";
    case 501: return "not a valid flatbuffer";
    case 502: return "dynamic loading failed";
    case 504: return "compilation failed";
    case 1000: return "index out of bounds";
    case 1001: return "invalid IR type";
    case 4000: return "unsupported runtime version";
    default: return "error";
  }
}

}  // namespace

LiteRt open_litert(const char* path) {
  void* library = dlopen(path, kBindNow);
  if (library == nullptr) {
    const char* reason = dlerror();
    fail("The library can't be opened: %.700s", reason == nullptr ? path : reason);
  }
  LiteRt lite_rt;
#define LITERT_FIND(result, name, parameters) find(library, "LiteRt" #name, true, lite_rt.name);
#define LITERT_TRY(result, name, parameters) find(library, "LiteRt" #name, false, lite_rt.name);
  LITERT_FUNCTIONS(LITERT_FIND)
  LITERT_FUNCTIONS_OF_PROFILES(LITERT_TRY)
#undef LITERT_FIND
#undef LITERT_TRY
  return lite_rt;
}

StatusText describe(LiteRtStatus status) {
  StatusText out;
  snprintf(out.text, sizeof out.text, "%s (status %d)", meaning(status), status);
  return out;
}
