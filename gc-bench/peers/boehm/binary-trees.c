/* The Benchmarks Game program: see ../../src/workloads/binary_trees.rs. */
#include "bench.h"
#include <gc.h>

enum { MIN_DEPTH = 4 };

struct node {
    struct node *left, *right;
};

static struct node *build(int depth) {
    struct node *left = depth ? build(depth - 1) : NULL;
    struct node *right = depth ? build(depth - 1) : NULL;
    struct node *node = allocated(GC_MALLOC(sizeof *node));
    node->left = left;
    node->right = right;
    return node;
}

static long count(const struct node *node) {
    return node ? 1 + count(node->left) + count(node->right) : 0;
}

static long nodes(int depth) { return (2L << depth) - 1; }

int main(int argc, char **argv) {
    known(argc, argv, "--depth --step");
    int depth = option(argc, argv, "--depth", 18, 6), step = option(argc, argv, "--step", 2, 1);
    GC_INIT();
    struct span span = start();
    long stretch = count(build(depth + 1)), made = 0;
    struct node *long_lived = build(depth);
    for (int d = MIN_DEPTH; d <= depth; d += step) {
        for (long tree = 0; tree < 1L << (depth - d + MIN_DEPTH); tree++) {
            long counted = count(build(d));
            expect("the node count of a tree", counted, nodes(d));
            made += counted;
        }
    }
    long kept = count(long_lived);
    span = stop(span);
    expect("the stretch tree's node count", stretch, nodes(depth + 1));
    expect("the long-lived tree's node count", kept, nodes(depth));
    char check[128];
    snprintf(check, sizeof check, "stretch %ld, short-lived %ld, long-lived %ld nodes", stretch, made, kept);
    report("binary-trees", span, stretch + made + kept, check, NULL, NULL);
}
