/** The users that the probe containers are of. No other user has such a name: an id has no dot. */

export const prober = 'doctor.a';
export const neighbour = 'doctor.b';

export const isProber = (userId: string): boolean => userId === prober || userId === neighbour;
