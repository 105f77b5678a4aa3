/* lib/list.h - a list whose members hold its links: next, and link, which points at what points at the member (NULL: it
 * is in none). Adding and removing take no memory and no search.
 *
 *     LIST_ADD(media->probed, peer, rate.probed_next, rate.probed_link);
 *
 * next and link say where those two are in a member. A list that is walked while members leave needs the next one
 * before. */
#ifndef PARLEY_LIB_LIST_H
#define PARLEY_LIB_LIST_H

#include <stddef.h>

/* In front. Not when it is in one. */
#define LIST_ADD(head, member, next, link)                      \
	do {                                                    \
		(member)->next = (head);                        \
		(member)->link = &(head);                       \
		if ((member)->next)                             \
			(member)->next->link = &(member)->next; \
		(head) = (member);                              \
	} while (0)

/* Nothing happens when it is in none. */
#define LIST_REMOVE(member, next, link)                        \
	do {                                                   \
		if (!(member)->link)                           \
			break;                                 \
		*(member)->link = (member)->next;              \
		if ((member)->next)                            \
			(member)->next->link = (member)->link; \
		(member)->next = NULL;                         \
		(member)->link = NULL;                         \
	} while (0)

#endif
