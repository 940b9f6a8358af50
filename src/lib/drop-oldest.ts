/** Removes the entry that came first if the map has more than `max` entries. To be called after each new one. */
export function dropOldest<K>(map: Map<K, unknown>, max: number): void {
  if (map.size > max) map.delete(map.keys().next().value as K)
}
