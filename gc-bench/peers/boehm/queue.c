/* A ring of messages: see ../../src/workloads/queue.rs. */
#include "bench.h"
#include <gc.h>

/* The bytes that all messages have in common. */
static unsigned char *common(long size) {
    unsigned char *bytes = allocated(GC_MALLOC_ATOMIC(size));
    for (long i = 0; i < size; i++)
        bytes[i] = i;
    return bytes;
}

static unsigned char *message(unsigned char *bytes, long size, long number) {
    memcpy(bytes, &number, sizeof number);
    return memcpy(allocated(GC_MALLOC_ATOMIC(size)), bytes, size);
}

static void expect_message(const unsigned char *message, long size, long number) {
    long found;
    memcpy(&found, message, sizeof found);
    expect("the message out of the ring", found, number);
    if (size > 8)
        expect("its last byte", message[size - 1], (unsigned char)(size - 1));
}

static struct times push(unsigned char **ring, long window, unsigned char *bytes, long size, long pushes) {
    struct times times = begin();
    long at = 0;
    for (long pushed = 0; pushed < pushes; pushed++) {
        expect_message(ring[at], size, pushed);
        ring[at] = message(bytes, size, pushed + window);
        at = at + 1 == window ? 0 : at + 1;
        lap(&times);
    }
    return times;
}

int main(int argc, char **argv) {
    known(argc, argv, "--window --size --pushes --latencies");
    long window = option(argc, argv, "--window", 200000, 1), size = option(argc, argv, "--size", 1024, 8);
    long pushes = option(argc, argv, "--pushes", 5000000, 1);
    GC_INIT();
    unsigned char **ring = allocated(GC_MALLOC(window * sizeof *ring)), *bytes = common(size);
    for (long i = 0; i < window; i++)
        ring[i] = message(bytes, size, i);
    struct span span = start();
    struct times times = push(ring, window, bytes, size, pushes);
    span = stop(span);
    char check[128];
    snprintf(check, sizeof check, "%ld messages came out in order and whole", pushes);
    report("queue", span, pushes, check, &times, text(argc, argv, "--latencies"));
}
