// The entry point on Android, where no crt file is at hand without the NDK: hands the stack to
// bionic's __libc_init, which sets up the C library and calls main. An executable built with the
// NDK has its own.
#include "../libc.h"

int main(int count, char** values);

extern "C" {
struct Structors {
  void* arrays[8];
};
[[noreturn]] void __libc_init(void* stack, void (*on_exit)(), int (*main)(int, char**, char**),
                              const Structors* structors);

[[gnu::used, noreturn]] void start_from(void* stack) {
  static const Structors none = {};
  __libc_init(stack, nullptr,
              [](int count, char** values, char**) { return main(count, values); }, &none);
}

#if defined(__aarch64__)
__attribute__((naked, used)) void _start() {
  __asm__ volatile("bti j\n mov x29, #0\n mov x30, #0\n mov x0, sp\n b start_from\n");
}
#elif defined(__x86_64__)
__attribute__((naked, used)) void _start() {
  __asm__ volatile("xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call start_from\n");
}
#elif defined(__arm__)
__attribute__((naked, used)) void _start() {
  __asm__ volatile("mov r7, #0\n mov r11, #0\n mov lr, #0\n mov r0, sp\n b start_from\n");
}
#elif defined(__i386__)
__attribute__((naked, used)) void _start() {
  __asm__ volatile("xor %ebp, %ebp\n mov %esp, %eax\n and $-16, %esp\n sub $12, %esp\n"
                   "push %eax\n call start_from\n");
}
#endif
}
