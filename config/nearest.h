/*
 * "Did you mean": which of several known words is nearest to one that is not.
 *     struct nearest n = nearest_to("prot");  nearest_try(&n, "port");  nearest_word(&n);
 */
#ifndef CONFIG_NEAREST_H
#define CONFIG_NEAREST_H

#include <stddef.h>

struct nearest {
    const char *word; /* borrowed */
    const char *best;
    unsigned distance;
};

struct nearest nearest_to(const char *word);
void nearest_try(struct nearest *n, const char *known); /* Borrows known. */
/* NULL when none is near enough to be a slip of the keyboard. */
const char *nearest_word(const struct nearest *n);

#endif
