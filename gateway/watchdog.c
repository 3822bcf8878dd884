#include "gateway/watchdog.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/log.h"

/* log_close() waits 3 s for a reader that is stuck. Should the log itself be, the kernel ends it.
 */
#define LOG_S 10u

static struct {
    pthread_mutex_t lock; /* who ends the process keeps it */
    sem_t changed;        /* a condition cannot be signalled by a handler of signals */
    bool runs;
    struct timespec until; /* CLOCK_MONOTONIC */
    const struct watchdog_end *late;
    const struct watchdog_end *_Atomic asked;
} dog = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_over(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > dog.until.tv_sec ||
           (now.tv_sec == dog.until.tv_sec && now.tv_nsec >= dog.until.tv_nsec);
}

static noreturn void end(const struct watchdog_end *how, enum log_level level)
{
    alarm(LOG_S);
    if (how->left != NULL)
        LOG_EVENT(LOG_LVL_WARN, NULL, "cleanup_left", log_str("msg", how->left));
    LOG_EVENT(how->left != NULL ? LOG_LVL_INFO : level, NULL, "stop",
              log_str("reason", how->reason));
    log_close();
    _exit(how->exit_code);
}

static void *watch(void *arg)
{
    (void)arg;
    for (;;) {
        pthread_mutex_lock(&dog.lock);
        const struct watchdog_end *asked = atomic_load(&dog.asked);
        if (asked != NULL)
            end(asked, LOG_LVL_WARN);
        if (is_over())
            end(dog.late, LOG_LVL_ERROR);
        const struct timespec until = dog.until;
        pthread_mutex_unlock(&dog.lock);
        (void)sem_clockwait(&dog.changed, CLOCK_MONOTONIC, &until);
    }
}

/* With all signals blocked: they belong to the first loop. */
static void start(void)
{
    pthread_t thread;
    sigset_t all, old;
    sem_init(&dog.changed, 0, 0);
    sigfillset(&all);
    sigdelset(&all, SIGALRM);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    dog.runs = pthread_create(&thread, NULL, watch, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (dog.runs)
        pthread_detach(thread);
}

void watchdog_arm(uint64_t ms, const struct watchdog_end *late)
{
    pthread_mutex_lock(&dog.lock);
    clock_gettime(CLOCK_MONOTONIC, &dog.until);
    dog.until.tv_sec += (time_t)(ms / 1000);
    dog.until.tv_nsec += (long)(ms % 1000) * 1000000L;
    if (dog.until.tv_nsec >= 1000000000L) {
        dog.until.tv_sec++;
        dog.until.tv_nsec -= 1000000000L;
    }
    dog.late = late;
    atomic_store(&dog.asked, NULL);
    if (!dog.runs)
        start();
    else
        sem_post(&dog.changed);
    if (!dog.runs)
        alarm((unsigned)(ms / 1000) + 1); /* no thread to be had: without a word */
    pthread_mutex_unlock(&dog.lock);
}

void watchdog_ask(const struct watchdog_end *how)
{
    if (!dog.runs)
        _exit(how->exit_code);
    atomic_store(&dog.asked, how);
    sem_post(&dog.changed);
}

noreturn void watchdog_now(const struct watchdog_end *how)
{
    pthread_mutex_lock(&dog.lock);
    end(how, LOG_LVL_WARN);
}
