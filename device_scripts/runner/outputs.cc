#include "outputs.h"

#include "failure.h"

namespace {

constexpr int kOwnerOnly = 0600;
constexpr int kInterrupted = 4;  // EINTR

[[noreturn]] void fail_to_write(const char* path) {
  fail("The outputs can't be written: %s: %.500s.", strerror(last_error()), path);
}

void write_all(int fd, const void* bytes, size_t size, const char* path) {
  const char* at = static_cast<const char*>(bytes);
  while (size > 0) {
    const long wrote = write(fd, at, size);
    if (wrote < 0 && last_error() == kInterrupted) continue;
    if (wrote <= 0) fail_to_write(path);
    at += wrote;
    size -= static_cast<size_t>(wrote);
  }
}

}  // namespace

void write_outputs(Session& session, const char* path) {
  const int fd = open(path, kWriteOnly | kCreate | kTruncate | kCloseOnExec, kOwnerOnly);
  if (fd < 0) fail_to_write(path);
  for (size_t i = 0; i < session.output_count; i++) {
    const Tensor& tensor = session.outputs[i];
    write_all(fd, lock(session, tensor, kLockForRead), tensor.bytes, path);
    unlock(session, tensor);
  }
  if (close(fd) != 0) fail_to_write(path);
}
