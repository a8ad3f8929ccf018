/** Things by a property of each, in the order in which the values of the property come. */
export function groupBy<T, K>(things: readonly T[], property: (thing: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const thing of things) {
    const key = property(thing);
    const group = groups.get(key);
    if (group) group.push(thing);
    else groups.set(key, [thing]);
  }
  return groups;
}
