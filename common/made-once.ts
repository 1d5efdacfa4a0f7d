/** What is made of a thing the first time it is asked for, and kept as long as the thing is: for many who want the same. */
export function madeOnce<K extends object, V extends object>(make: (thing: K) => V): (thing: K) => V {
  const made = new WeakMap<K, V>();
  return (thing) => {
    const known = made.get(thing);
    if (known !== undefined) return known;
    const value = make(thing);
    made.set(thing, value);
    return value;
  };
}
