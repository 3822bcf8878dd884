#include "gateway/sftp/handles.h"

#include <assert.h>
#include <openssl/rand.h>
#include <string.h>

#include "gateway/base/mem.h"

void handles_init(struct handles *hs, uint32_t max)
{
    *hs = (struct handles){.max = max};
    list_init(&hs->open);
}

void handles_free(struct handles *hs)
{
    assert(list_empty(&hs->open));
    mem_free(hs->slots);
    hs->slots = NULL;
    hs->nslots = 0;
}

bool handles_take_place(struct handles *hs)
{
    if (hs->count >= hs->max)
        return false;
    hs->count++;
    return true;
}

void handles_give_back(struct handles *hs)
{
    assert(hs->count > 0);
    hs->count--;
}

static uint32_t free_slot(struct handles *hs)
{
    for (uint32_t i = 0; i < hs->nslots; i++) {
        if (hs->slots[i] == NULL)
            return i;
    }
    uint32_t n = hs->nslots == 0 ? 4 : hs->nslots * 2;
    struct handle **slots = mem_array(n, sizeof(struct handle *));
    if (hs->nslots > 0)
        memcpy(slots, hs->slots, hs->nslots * sizeof(struct handle *));
    mem_free(hs->slots);
    hs->slots = slots;
    uint32_t slot = hs->nslots;
    hs->nslots = n;
    return slot;
}

struct handle *handles_add(struct handles *hs, const char *path)
{
    uint64_t secret;
    if (RAND_bytes((unsigned char *)&secret, sizeof secret) != 1)
        return NULL;
    struct handle *h = mem_zalloc(sizeof *h);
    h->secret = secret;
    h->path = mem_strdup(path);
    h->slot = free_slot(hs);
    gw_buf_init(&h->entries, 0);
    hs->slots[h->slot] = h;
    list_push(&hs->open, &h->node);
    return h;
}

struct handle *handles_find(const struct handles *hs, struct gw_span wire)
{
    if (wire.len != HANDLES_WIRE_BYTES)
        return NULL;
    struct gw_rd r = gw_rd_of(wire);
    uint32_t slot = gw_rd_u32(&r);
    uint64_t secret = gw_rd_u64(&r);
    if (slot >= hs->nslots || hs->slots[slot] == NULL || hs->slots[slot]->secret != secret)
        return NULL;
    return hs->slots[slot];
}

void handles_wire(const struct handle *h, uint8_t out[HANDLES_WIRE_BYTES])
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(h->slot >> (24 - 8 * i));
    for (unsigned i = 0; i < 8; i++)
        out[4 + i] = (uint8_t)(h->secret >> (56 - 8 * i));
}

struct handle *handles_writer(const struct handles *hs, const char *path)
{
    struct handle *found = NULL;
    LIST_EACH(it, &hs->open)
    {
        struct handle *h = LIST_ENTRY(it, struct handle, node);
        bool seen = hs->slots[h->slot] == h;
        if (seen && (h->flags & FS_WRITE) && strcmp(h->path, path) == 0)
            found = h;
    }
    return found;
}

void handles_hide(struct handles *hs, struct handle *h)
{
    if (h->slot < hs->nslots && hs->slots[h->slot] == h)
        hs->slots[h->slot] = NULL;
}

void handles_remove(struct handles *hs, struct handle **hp)
{
    struct handle *h = *hp;
    *hp = NULL;
    assert(h->file == NULL && h->dir == NULL);
    handles_hide(hs, h);
    handles_give_back(hs);
    list_remove(&h->node);
    gw_buf_free(&h->entries);
    mem_free(h->path);
    mem_free(h);
}
