#include "inputs.h"

#include "failure.h"

namespace {

// A 32-bit integer hash with low bias ("lowbias32", C. Wellons, public domain). Values depend on
// their position alone, not on the ones before, so that NumPy can make all of them at once.
uint32_t mix(uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352d;
  x ^= x >> 15;
  x *= 0x846ca68b;
  x ^= x >> 16;
  return x;
}

// The bits of k / 2048 as an IEEE half, exactly, for k below 2048.
uint16_t half(uint32_t k) {
  if (k == 0) return 0;
  const uint32_t exponent = 31 - static_cast<uint32_t>(__builtin_clz(k));
  const uint32_t mantissa = k << (10 - exponent) & 0x3ff;
  return static_cast<uint16_t>((exponent + 4) << 10 | mantissa);
}

template <typename T, typename Make>
void fill(void* memory, size_t size, uint32_t key, Make make) {
  T* values = static_cast<T*>(memory);
  for (size_t i = 0; i < size / sizeof(T); i++) {
    values[i] = static_cast<T>(make(mix(mix(static_cast<uint32_t>(i)) ^ key)));
  }
}

void seed_input(const Tensor& tensor, void* to, uint32_t seed, uint32_t index) {
  const uint32_t key = mix(seed ^ mix(index + 1));
  const size_t size = tensor.bytes;
  const auto bit = [](uint32_t r) { return r >> 31; };  // 0 or 1: safe as an index
  switch (tensor.type.number) {
    case 1: return fill<float>(to, size, key, [](uint32_t r) { return (r >> 8) * 0x1p-24f; });
    case 2: return fill<int32_t>(to, size, key, bit);
    case 3: return fill<uint8_t>(to, size, key, [](uint32_t r) { return r >> 24; });
    case 4: return fill<int64_t>(to, size, key, bit);
    case 6: return fill<uint8_t>(to, size, key, bit);
    case 7: return fill<int16_t>(to, size, key, [](uint32_t r) { return r >> 16; });
    case 9: return fill<int8_t>(to, size, key, [](uint32_t r) { return r >> 24; });
    case 10: return fill<uint16_t>(to, size, key, [](uint32_t r) { return half(r >> 21); });
    case 11: return fill<double>(to, size, key, [](uint32_t r) { return r * 0x1p-32; });
    case 13: return fill<uint64_t>(to, size, key, bit);
    case 16: return fill<uint32_t>(to, size, key, bit);
    case 17: return fill<uint16_t>(to, size, key, [](uint32_t r) { return r >> 16; });
    default:
      fail("Input '%.200s' is %s, for which there are no seeded values. Give --input=FILE.",
           tensor.name, tensor.type.name);
  }
}

void read_input(const Tensor& tensor, void* to, const char* path) {
  const int fd = open(path, kReadOnly | kCloseOnExec);
  if (fd < 0) fail("The input file can't be opened: %s: %.500s.", strerror(last_error()), path);
  const long size = lseek(fd, 0, kSeekEnd);
  if (size != static_cast<long>(tensor.bytes)) {
    fail("The input file holds %ld bytes, input '%.200s' takes %zu: %.500s.", size, tensor.name,
         tensor.bytes, path);
  }
  for (size_t done = 0; done < tensor.bytes;) {
    const long got = pread(fd, static_cast<char*>(to) + done, tensor.bytes - done,
                           static_cast<long>(done));
    if (got <= 0) fail("The input file can't be read: %.500s.", path);
    done += static_cast<size_t>(got);
  }
  close(fd);
}

double half_to_double(uint16_t bits) {
  const uint32_t exponent = bits >> 10 & 0x1f, mantissa = bits & 0x3ff;
  double magnitude;
  if (exponent == 0) magnitude = mantissa * 0x1p-24;
  else if (exponent == 31) magnitude = mantissa == 0 ? __builtin_inf() : __builtin_nan("");
  else magnitude = (1024 + mantissa) * 0x1p-25 * static_cast<double>(1u << exponent);
  return bits >> 15 != 0 ? -magnitude : magnitude;
}

double bfloat_to_double(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

template <typename T, typename Read>
double add_up(const void* bytes, size_t size, Read read) {
  const T* values = static_cast<const T*>(bytes);
  double total = 0;
  for (size_t i = 0; i < size / sizeof(T); i++) total += read(values[i]);
  return total;
}

template <typename T>
double add_up(const void* bytes, size_t size) {
  return add_up<T>(bytes, size, [](T value) { return static_cast<double>(value); });
}

}  // namespace

void fill_inputs(Session& session, const Arguments& arguments) {
  enter_stage("inputs");
  const size_t given = static_cast<size_t>(arguments.input_count);
  if (given != 0 && given != session.input_count) {
    fail("The model has %zu inputs, but %zu input files are given.", session.input_count, given);
  }
  for (size_t i = 0; i < session.input_count; i++) {
    const Tensor& tensor = session.inputs[i];
    void* memory = lock(session, tensor, kLockForWrite);
    if (given != 0) read_input(tensor, memory, arguments.inputs[i]);
    else seed_input(tensor, memory, arguments.seed, static_cast<uint32_t>(i));
    unlock(session, tensor);
  }
}

uint32_t crc32(const void* bytes, size_t size) {
  static uint32_t table[256];
  if (table[1] == 0) {
    for (uint32_t i = 0; i < 256; i++) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; bit++) value = value >> 1 ^ (value & 1 ? 0xedb88320 : 0);
      table[i] = value;
    }
  }
  uint32_t crc = 0xffffffff;
  const uint8_t* at = static_cast<const uint8_t*>(bytes);
  for (size_t i = 0; i < size; i++) crc = crc >> 8 ^ table[(crc ^ at[i]) & 0xff];
  return ~crc;
}

double sum(const void* bytes, size_t size, const ElementType& type) {
  switch (type.number) {
    case 1: return add_up<float>(bytes, size);
    case 2: return add_up<int32_t>(bytes, size);
    case 3: return add_up<uint8_t>(bytes, size);
    case 4: return add_up<int64_t>(bytes, size);
    case 6: return add_up<uint8_t>(bytes, size);
    case 7: return add_up<int16_t>(bytes, size);
    case 9: return add_up<int8_t>(bytes, size);
    case 10: return add_up<uint16_t>(bytes, size, half_to_double);
    case 11: return add_up<double>(bytes, size);
    case 13: return add_up<uint64_t>(bytes, size);
    case 16: return add_up<uint32_t>(bytes, size);
    case 17: return add_up<uint16_t>(bytes, size);
    case 19: return add_up<uint16_t>(bytes, size, bfloat_to_double);
    default: return __builtin_nan("");
  }
}
