// Functions with names as Rust's two ways to write them have them.
#define ALONE __attribute__((noinline))
ALONE int old(int n) __asm__("_ZN4shop5stock5paint17h0123456789abcdefE");
ALONE int young(int n) __asm__("_RNvNtCs7dK2YDQKbgd_4shop5stock6refill");
ALONE int of_a_type(int n) __asm__("_RNvMNtCs7dK2YDQKbgd_4shop5stockNtB2_4Item5price");

int old(int n) { return n + 1; }
int young(int n) { return n * 2; }
int of_a_type(int n) { return n - 3; }

int main(int argc, char **argv) { return old(argc) + young(argc) + of_a_type(argc) == 1; }
