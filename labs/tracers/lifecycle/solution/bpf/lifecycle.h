#ifndef LIFECYCLE_H
#define LIFECYCLE_H

/* How many processes are remembered between start and stop; main.go has the same number. */
#define MAX_PROCESSES 64

#endif
