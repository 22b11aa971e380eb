/* GCBench of Ellis, Kovac and Boehm: see ../../src/workloads/gcbench.rs. */
#include "bench.h"
#include <gc.h>

enum { STRETCH_DEPTH = 18, LONG_LIVED_DEPTH = 16, ARRAY_LENGTH = 500000, MIN_DEPTH = 4, MAX_DEPTH = 16 };

struct node {
    struct node *left, *right;
    int i, j;
};

static struct node *leaf(void) { return allocated(GC_MALLOC(sizeof(struct node))); }

static struct node *bottom_up(int depth) {
    if (!depth)
        return leaf();
    struct node *left = bottom_up(depth - 1), *right = bottom_up(depth - 1), *node = leaf();
    node->left = left;
    node->right = right;
    return node;
}

static void populate(int depth, struct node *node) {
    if (!depth)
        return;
    node->left = leaf();
    node->right = leaf();
    populate(depth - 1, node->left);
    populate(depth - 1, node->right);
}

static struct node *top_down(int depth) {
    struct node *node = leaf();
    populate(depth, node);
    return node;
}

static long count(const struct node *node) {
    return node ? 1 + count(node->left) + count(node->right) : 0;
}

static long nodes(int depth) { return (2L << depth) - 1; }

/* As many trees of this depth as two stretch trees have nodes, made in one of the two ways; the nodes made. */
static long make(struct node *(*build)(int), int depth) {
    long trees = 2 * nodes(STRETCH_DEPTH) / nodes(depth);
    for (long i = 0; i < trees; i++) {
        struct node *tree = build(depth);
        if (i == 0)
            expect("the node count of a tree", count(tree), nodes(depth));
    }
    return trees * nodes(depth);
}

int main(int argc, char **argv) {
    known(argc, argv, "");
    GC_INIT();
    struct span span = start();
    bottom_up(STRETCH_DEPTH);
    struct node *tree = top_down(LONG_LIVED_DEPTH);
    double *numbers = allocated(GC_MALLOC_ATOMIC(ARRAY_LENGTH * sizeof *numbers));
    for (int i = 0; i < ARRAY_LENGTH; i++)
        numbers[i] = i < ARRAY_LENGTH / 2 ? 1.0 / i : 0.0;
    long made = 0;
    for (int depth = MIN_DEPTH; depth <= MAX_DEPTH; depth += 2)
        made += make(top_down, depth) + make(bottom_up, depth);
    long kept = count(tree);
    double number = numbers[1000];
    span = stop(span);
    expect("the long-lived tree's node count", kept, nodes(LONG_LIVED_DEPTH));
    expect("that element 1000 of the long-lived array is right", number == 1.0 / 1000, 1);
    char check[128];
    snprintf(check, sizeof check, "long-lived tree of %ld nodes, array[1000] = %g", kept, number);
    report("gcbench", span, made + nodes(STRETCH_DEPTH) + kept, check, NULL, NULL);
}
