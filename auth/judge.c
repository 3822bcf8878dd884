#include "auth/judge.h"

#include <string.h>
#include <time.h>

#include "auth/auth.h"
#include "gateway/base/mem.h"

/* The method that a way in has after the steps that were done; -1 = they are not its steps. */
static int way_stands_at(const char *way, const struct auth_req *req)
{
    for (size_t step = 0; step < req->nmethods_done; step++) {
        size_t n = strcspn(way, ",");
        if (strlen(req->methods_done[step]) != n || memcmp(req->methods_done[step], way, n) != 0 ||
            way[n] == '\0')
            return -1;
        way += n + 1;
    }
    return auth_method_of(way, strcspn(way, ","));
}

/*
 * Where this step leads in one way in ("publickey,password"): the bit of the method that must
 * follow, 0 when the way ends here, -1 when the step is not on it.
 */
static int way_goes_on(const char *way, const struct auth_req *req)
{
    if (way_stands_at(way, req) != (int)req->method)
        return -1;
    for (size_t step = 0; step <= req->nmethods_done; step++) {
        way += strcspn(way, ",");
        if (*way == '\0')
            return 0;
        way++;
    }
    return 1 << auth_method_of(way, strcspn(way, ","));
}

static void set_next_methods(struct identity *id, unsigned mask)
{
    for (size_t i = 0; i < id->nnext_methods; i++)
        mem_free(id->next_methods[i]);
    mem_free(id->next_methods);
    id->nnext_methods = 0;
    id->next_methods = mask == 0 ? NULL : mem_array(AUTH_METHOD_COUNT, sizeof(char *));
    for (unsigned m = 0; m < AUTH_METHOD_COUNT; m++)
        if (mask & 1u << m)
            id->next_methods[id->nnext_methods++] = mem_strdup(auth_method_names[m]);
}

/* Is this method a step of the user's ways in, and which may follow? */
static enum auth_verdict judge_methods(struct identity *id, const struct auth_req *req,
                                       unsigned offered, const char **why)
{
    bool complete = id->nmethods == 0;
    unsigned follow = 0;
    for (size_t i = 0; i < id->nmethods; i++) {
        int next = way_goes_on(id->methods[i], req);
        if (next == 0)
            complete = true;
        else if (next > 0)
            follow |= (unsigned)next;
    }
    if (!complete && follow == 0) {
        *why = "not a method of the user at this step";
        return AUTH_REJECT;
    }
    unsigned own = auth_method_mask(id->next_methods, id->nnext_methods);
    if (complete && own == 0)
        return AUTH_ACCEPT;
    if (!complete && own != 0 && (own & follow) == 0) {
        *why = "next_methods and methods contradict each other";
        return AUTH_FAULT;
    }
    unsigned next = complete ? own : own != 0 ? own & follow : follow;
    if ((next & offered) == 0) {
        *why = "no method that may follow is in auth.methods";
        return AUTH_FAULT;
    }
    set_next_methods(id, next & offered);
    return AUTH_ACCEPT;
}

static int64_t now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec;
}

unsigned judge_step(const struct identity *id, const struct auth_req *req)
{
    unsigned mask = 0;
    for (size_t i = 0; i < id->nmethods; i++) {
        int method = way_stands_at(id->methods[i], req);
        if (method >= 0)
            mask |= 1u << method;
    }
    return mask;
}

enum auth_verdict judge_accept(struct identity *id, const struct auth_req *req, unsigned offered,
                               const char **why)
{
    if (id == NULL) {
        *why = "accepted without an identity";
        return AUTH_FAULT;
    }
    if (id->expires_s != 0 && now_s() >= id->expires_s) {
        *why = "the user has expired";
        return AUTH_REJECT;
    }
    if (id->nallow > 0 && (req->client_address == NULL ||
                           !auth_address_in(req->client_address, id->allow, id->nallow))) {
        *why = "the user may not come from this address";
        return AUTH_REJECT;
    }
    return judge_methods(id, req, offered, why);
}

enum gw_err judge_ways(const struct identity *id, unsigned offered, struct gw_errmsg *msg)
{
    for (size_t i = 0; i < id->nmethods; i++) {
        const char *at = id->methods[i];
        for (size_t n = strcspn(at, ","); n > 0; n = strcspn(at, ",")) {
            if ((offered & 1u << auth_method_of(at, n)) == 0)
                return gw_err_set(msg, GW_CONFIG,
                                  "methods[%zu]: %.*s is not in auth.methods, so nobody can do it",
                                  i, (int)n, at);
            at += n + (at[n] == ',');
        }
    }
    return GW_OK;
}
