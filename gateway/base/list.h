/*
 * A doubly linked ring of nodes that live inside what they link.
 *     struct list all; list_init(&all);  list_push(&all, &x->node);
 *     struct x *x = LIST_ENTRY(list_first(&all), struct x, node);
 */
#ifndef GATEWAY_BASE_LIST_H
#define GATEWAY_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

#define LIST_ENTRY(nodep, type, member) ((type *)(void *)((char *)(nodep)-offsetof(type, member)))
#define LIST_EACH(it, head)             for (struct list *it = (head)->next; it != (head); it = it->next)
/* `it` may be taken out in the body. */
#define LIST_EACH_SAFE(it, tmp, head)                                                              \
    for (struct list *it = (head)->next, *tmp = it->next; it != (head); it = tmp, tmp = it->next)

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline struct list *list_first(const struct list *l)
{
    return l->next;
}

/* At the end. */
static inline void list_push(struct list *head, struct list *n)
{
    n->prev = head->prev;
    n->next = head;
    head->prev->next = n;
    head->prev = n;
}

/* NULL-safe for a node that was zeroed and never linked; fine to call twice. */
static inline void list_remove(struct list *n)
{
    if (n->next == NULL)
        return;
    n->prev->next = n->next;
    n->next->prev = n->prev;
    n->next = n->prev = n;
}

/* All of `from` goes to the end of `to`, in order; `from` is empty then. */
static inline void list_move(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    from->prev->next = to;
    to->prev->next = from->next;
    to->prev = from->prev;
    list_init(from);
}

#endif
