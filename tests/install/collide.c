/* SPDX-License-Identifier: MIT
 *
 * Global functions of a user's program that have the names of internal ones of reclaim. Were they to meet, the link
 * would fail, or the library would call these and its job would come to nothing.
 */
int frame_write(void);
int sweep_pass(void);
int buffer_init(void);

int frame_write(void)
{
    return 1;
}

int sweep_pass(void)
{
    return 2;
}

int buffer_init(void)
{
    return 3;
}
