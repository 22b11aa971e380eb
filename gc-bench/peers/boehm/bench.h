/* What the Boehm peers have in common: the options, the measured span and the report of gc-bench. */
#ifndef BENCH_H
#define BENCH_H

#include "times.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Memory that is there: without it no program can go on. */
static void *allocated(void *memory) {
    if (!memory)
        abort();
    return memory;
}

struct span {
    double wall, cpu;
};

static double now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static struct span start(void) {
    return (struct span){now(CLOCK_MONOTONIC), now(CLOCK_PROCESS_CPUTIME_ID)};
}

static struct span stop(struct span began) {
    return (struct span){now(CLOCK_MONOTONIC) - began.wall, now(CLOCK_PROCESS_CPUTIME_ID) - began.cpu};
}

/* The number given as --name value, or the usual one; other arguments end the program. */
static inline long option(int argc, char **argv, const char *name, long usual, long least) {
    for (int i = 1; i + 1 < argc; i += 2) {
        char *end;
        if (strcmp(argv[i], name) != 0)
            continue;
        usual = strtol(argv[i + 1], &end, 10);
        if (*end || end == argv[i + 1] || usual < least) {
            fprintf(stderr, "%s must be a whole number of at least %ld\n", name, least);
            exit(2);
        }
    }
    return usual;
}

/* The text given as --name value, or NULL. */
static inline const char *text(int argc, char **argv, const char *name) {
    for (int i = 1; i + 1 < argc; i += 2)
        if (strcmp(argv[i], name) == 0)
            return argv[i + 1];
    return NULL;
}

static void known(int argc, char **argv, const char *names) {
    for (int i = 1; i < argc; i += 2) {
        if (!strstr(names, argv[i]) || i + 1 == argc) {
            fprintf(stderr, "unexpected argument %s\n", argv[i]);
            exit(2);
        }
    }
}

/* Ends the program unless the result is right. */
static void expect(const char *what, long actual, long expected) {
    if (actual != expected) {
        fprintf(stderr, "check failed: %s is %ld, must be %ld\n", what, actual, expected);
        exit(1);
    }
}

/* Peak resident memory of the process, in bytes. */
static long peak(void) {
    char line[256];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmHWM: %ld", &kib) == 1)
            break;
    if (status)
        fclose(status);
    return kib * 1024;
}

/* Prints the JSON object; times and the file they go to may be NULL. */
static void report(const char *workload, struct span took, long ops, const char *check, const struct times *times,
                   const char *latencies) {
    if (times && latencies)
        write_times(times, latencies);
    printf("{\"workload\":\"%s\",\"params\":{},\"wall_s\":%.6f,\"cpu_s\":%.6f,\"ops\":%ld,\"ops_per_s\":%.1f,"
           "\"max_rss_bytes\":%ld,\"check\":\"%s\"",
           workload, took.wall, took.cpu, ops, ops / took.wall, peak(), check);
    if (times) {
        printf(",\"op_ns\":");
        print_percentiles(times);
    }
    puts("}");
}

#endif
