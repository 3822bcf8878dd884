/*
 * From what a request says to what it works on: paths made normal, handles looked up, permissions
 * asked (here and nowhere else), and what it claims for the order of requests.
 */
#ifndef GATEWAY_SFTP_BIND_H
#define GATEWAY_SFTP_BIND_H

#include "gateway/sftp/request.h"

/*
 * Sets path, h, text, granted and claim of r. The handle of a CLOSE is hidden from then on.
 * Errors: GW_BAD_NAME, GW_BAD_HANDLE, GW_DENIED, GW_READ_ONLY; *text (static or NULL) is for the
 * client.
 */
enum gw_err bind_request(struct request *r, const char **text);

#endif
