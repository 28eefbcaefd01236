#include "arguments.h"

#include "failure.h"

namespace {

constexpr uint64_t kNano = 1000000000;

// A whole number between two bounds, digits only.
uint64_t whole(const char* key, const char* value, uint64_t least, uint64_t most) {
  uint64_t number = 0;
  const char* at = value;
  for (; *at >= '0' && *at <= '9' && number <= most; at++) {
    number = number * 10 + static_cast<uint64_t>(*at - '0');
  }
  if (at == value || *at != 0 || number < least || number > most) {
    fail("--%s=%.100s: expected a whole number from %llu to %llu.", key, value,
         static_cast<unsigned long long>(least), static_cast<unsigned long long>(most));
  }
  return number;
}

uint32_t samples(const char* key, const char* value) {
  return static_cast<uint32_t>(whole(key, value, 1, 1000000));
}

// A decimal number such as 0.01 or 20, at most nine digits after the point, in units of 1e-9.
uint64_t nano(const char* key, const char* value, uint64_t most) {
  uint64_t number = 0;
  int decimals = -1;
  const char* at = value;
  for (; decimals < 9; at++) {
    if (*at == '.' && decimals < 0 && at != value) {
      decimals = 0;
    } else if (*at >= '0' && *at <= '9' && number <= most) {
      number = number * 10 + static_cast<uint64_t>(*at - '0');
      if (decimals >= 0) decimals++;
    } else {
      break;
    }
  }
  const bool formed = at != value && *at == 0 && decimals != 0;
  for (int i = decimals < 0 ? 0 : decimals; i < 9 && formed && number <= most; i++) number *= 10;
  if (!formed || number > most) {
    fail("--%s=%.100s: expected a decimal number from 0 to %llu, such as 0.5.", key, value,
         static_cast<unsigned long long>(most / kNano));
  }
  return number;
}

uint64_t hexadecimal(const char* key, const char* value) {
  uint64_t number = 0;
  size_t digits = 0;
  for (; digits < 17; digits++) {
    const char c = value[digits];
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) break;
    number = number << 4 | static_cast<uint64_t>(digit);
  }
  if (value[digits] != 0 || digits > 16 || number == 0) {
    fail("--%s=%.100s: expected up to 16 hexadecimal digits, not all 0.", key, value);
  }
  return number;
}

const char* path(const char* key, const char* value) {
  if (*value == 0) fail("--%s=: expected a path.", key);
  return value;
}

// A path that can stand between quotes in LiteRT's options.
const char* quotable_path(const char* key, const char* value) {
  for (const char* at = path(key, value); *at != 0; at++) {
    if (static_cast<uint8_t>(*at) < 0x20 || *at == '"' || *at == '\\' || at - value > 500) {
      fail("--%s=%.100s: expected a path of at most 500 bytes without quotes, backslashes and "
           "control characters.", key, value);
    }
  }
  return value;
}

bool is_xnnpack(const char* value) {
  if (strcmp(value, "xnnpack") == 0) return true;
  if (strcmp(value, "none") == 0) return false;
  fail("--delegate=%.100s: expected xnnpack or none.", value);
}

void add_input(Arguments& out, const char* value) {
  if (out.input_count == Arguments::kMaxInputs) {
    fail("--input=%.100s: more than %d inputs.", value, Arguments::kMaxInputs);
  }
  out.inputs[out.input_count++] = path("input", value);
}

enum Key {
  kContractKey, kLibrary, kModel, kThreads, kDelegate, kInput, kSeed, kInterval, kMinSamples,
  kMaxSamples, kMaxSeconds, kWarmupMaxSeconds, kCpuMask, kProfile, kXnnpackFlags, kWeightCache,
  kOutputs, kUsage, kMemory, kKeys
};

constexpr const char* kNames[kKeys] = {
    "contract", "library", "model", "threads", "delegate", "input", "seed", "interval",
    "min-samples", "max-samples", "max-seconds", "warmup-max-seconds", "cpu-mask",
    "profile", "xnnpack-flags", "weight-cache", "outputs", "usage", "memory",
};

void store(Arguments& out, Key key, const char* value) {
  const char* name = kNames[key];
  switch (key) {
    case kLibrary: out.library = path(name, value); break;
    case kModel: out.model = path(name, value); break;
    case kThreads: out.threads = static_cast<int>(whole(name, value, 1, 64)); break;
    case kDelegate: out.xnnpack = is_xnnpack(value); break;
    case kInput: add_input(out, value); break;
    case kSeed: out.seed = static_cast<uint32_t>(whole(name, value, 0, 4294967295)); break;
    case kInterval: out.interval = static_cast<double>(nano(name, value, kNano)) / 1e9; break;
    case kMinSamples: out.min_samples = samples(name, value); break;
    case kMaxSamples: out.max_samples = samples(name, value); break;
    case kMaxSeconds: out.max_ns = nano(name, value, 3600 * kNano); break;
    case kWarmupMaxSeconds: out.warmup_max_ns = nano(name, value, 600 * kNano); break;
    case kCpuMask: out.cpu_mask = hexadecimal(name, value); break;
    case kProfile: out.profile = static_cast<uint32_t>(whole(name, value, 1, 10000)); break;
    case kXnnpackFlags:
      out.xnnpack_flags = static_cast<uint32_t>(whole(name, value, 0, 4294967295));
      out.flags_given = true;
      break;
    case kWeightCache: out.weight_cache = quotable_path(name, value); break;
    case kOutputs: out.outputs = path(name, value); break;
    case kUsage: out.usage = whole(name, value, 0, 1) == 1; break;
    case kMemory: out.memory = static_cast<uint32_t>(whole(name, value, 1, 10000)); break;
    case kContractKey:
    case kKeys: break;
  }
}

// The value of "--<name>=value", or nullptr when the argument has another name.
const char* value_of(const char* argument, const char* name) {
  const size_t size = strlen(name);
  const bool is = strncmp(argument, "--", 2) == 0 && strncmp(argument + 2, name, size) == 0 &&
                  argument[2 + size] == '=';
  return is ? argument + size + 3 : nullptr;
}

// Before all else: a host of another contract may well give arguments that are unknown here.
void check_contract(int count, char** values) {
  enter_stage("contract");
  const char* given = nullptr;
  for (int i = 1; i < count && given == nullptr; i++) {
    given = value_of(values[i], kNames[kContractKey]);
  }
  if (given == nullptr) fail("--contract is missing; this runner speaks contract %d.", kContract);
  char spoken[16];
  snprintf(spoken, sizeof spoken, "%d", kContract);
  if (strcmp(given, spoken) != 0) {
    fail("This runner speaks contract %d, the host asked for contract %.100s.", kContract, given);
  }
}

// A process measures the latency, the operators or the memory.
void check_passes(Arguments& out) {
  const char* pass = out.profile != 0 ? "profile" : out.memory != 0 ? "memory" : nullptr;
  if (out.profile != 0 && out.memory != 0) fail("--profile and --memory exclude each other.");
  if (out.usage && pass != nullptr) fail("--usage is of sampling, which --%s replaces.", pass);
  if (out.memory == 0) return;
  out.warmup_max_ns = 0;
  out.interval = 0;
  out.max_samples = out.memory;
}

Key key_of(const char* argument) {
  for (int key = 0; key < kKeys; key++) {
    if (value_of(argument, kNames[key]) != nullptr) return static_cast<Key>(key);
  }
  if (strncmp(argument, "--", 2) != 0 || strstr(argument, "=") == nullptr) {
    fail("'%.200s' is not of the form --key=value.", argument);
  }
  fail("Unknown argument '%.200s'.", argument);
}

}  // namespace

Arguments parse_arguments(int count, char** values) {
  check_contract(count, values);
  enter_stage("arguments");
  Arguments out;
  bool given[kKeys] = {};
  for (int i = 1; i < count; i++) {
    const Key key = key_of(values[i]);
    if (given[key] && key != kInput) fail("--%s is given twice.", kNames[key]);
    given[key] = true;
    store(out, key, value_of(values[i], kNames[key]));
  }
  if (!given[kLibrary]) fail("--library is missing.");
  if (!given[kModel]) fail("--model is missing.");
  if (out.min_samples > out.max_samples) fail("--min-samples is more than --max-samples.");
  if (out.max_ns == 0) fail("--max-seconds must be more than 0.");
  check_passes(out);
  constexpr Key kOfXnnpack[] = {kXnnpackFlags, kWeightCache};
  for (Key key : kOfXnnpack) {
    if (given[key] && !out.xnnpack) fail("--%s is for --delegate=xnnpack alone.", kNames[key]);
  }
  return out;
}
