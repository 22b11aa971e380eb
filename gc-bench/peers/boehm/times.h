/* Counts the times of operations that follow each other: each ends where the next begins. */
#ifndef TIMES_H
#define TIMES_H

#include <gc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Buckets of a log-linear histogram: 1024 to every power of two, so that a value is known to 0.1 %. */
enum { SUB_BITS = 10, BUCKETS = (40 - SUB_BITS) << SUB_BITS };

struct times {
    long *counts;
    long total, longest, last;
};

static long nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

/* An empty recording with all its memory in place; the first operation begins now. */
static struct times begin(void) {
    /* Not static, since the collector would read it through in every cycle. */
    struct times times = {GC_MALLOC_ATOMIC(BUCKETS * sizeof(long)), 0, 0, 0};
    if (!times.counts)
        abort();
    memset(times.counts, 0, BUCKETS * sizeof(long));
    times.last = nanoseconds();
    return times;
}

/* Up to 2047 a bucket for each value; above, the 11 leading bits choose it. */
static int bucket(long ns) {
    int shift = 0;
    while (ns >> shift >= 2 << SUB_BITS)
        shift++;
    long place = ((long)shift << SUB_BITS) + (ns >> shift);
    return place < BUCKETS ? place : BUCKETS - 1;
}

/* The largest value of a bucket. */
static long upper(int bucket) {
    int shift = bucket < 2 << SUB_BITS ? 0 : (bucket >> SUB_BITS) - 1;
    return ((bucket - ((long)shift << SUB_BITS) + 1) << shift) - 1;
}

/* Ends one operation and begins the next. */
static void lap(struct times *times) {
    long at = nanoseconds(), ns = at - times->last;
    times->counts[bucket(ns)]++;
    times->total++;
    if (ns > times->longest)
        times->longest = ns;
    times->last = at;
}

static long quantile(const struct times *times, double q) {
    long rest = q * times->total;
    int place = 0;
    rest += rest < q * times->total;
    while (place < BUCKETS - 1 && (rest -= times->counts[place]) > 0)
        place++;
    return upper(place) < times->longest ? upper(place) : times->longest;
}

static void print_percentiles(const struct times *times) {
    printf("{\"count\":%ld,\"p50\":%ld,\"p99\":%ld,\"p999\":%ld,\"p9999\":%ld,\"max\":%ld}", times->total,
           quantile(times, 0.5), quantile(times, 0.99), quantile(times, 0.999), quantile(times, 0.9999),
           times->longest);
}

/* Writes every used bucket: nanoseconds, tab, count. */
static void write_times(const struct times *times, const char *path) {
    FILE *file = fopen(path, "w");
    for (int place = 0; file && place < BUCKETS; place++)
        if (times->counts[place])
            fprintf(file, "%ld\t%ld\n", upper(place), times->counts[place]);
    if (!file || fclose(file)) {
        perror(path);
        exit(2);
    }
}

#endif
