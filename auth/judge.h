/*
 * What an ACCEPT must stand, whoever gave it: expiry, source address, and whether the method is a
 * step of one of the user's ways in.
 */
#ifndef AUTH_JUDGE_H
#define AUTH_JUDGE_H

#include "auth/verifier.h"

/*
 * AUTH_ACCEPT, and id->next_methods is what may follow (none = the login is complete); AUTH_REJECT
 * or AUTH_FAULT and *why, a literal. offered: methods that the gateway has, as
 * auth_method_mask() gives them. id may be NULL: a FAULT.
 */
enum auth_verdict judge_accept(struct identity *id, const struct auth_req *req, unsigned offered,
                               const char **why);
/* Methods (1 << enum auth_method) that the user's ways in have at this step. */
unsigned judge_step(const struct identity *id, const struct auth_req *req);
/* Can every way in of the identity be gone, with these methods? Errors: GW_CONFIG with *msg. */
enum gw_err judge_ways(const struct identity *id, unsigned offered, struct gw_errmsg *msg);

#endif
