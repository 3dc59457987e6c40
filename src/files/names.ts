export function isSafeName(name: string): boolean {
  return name.length > 0;
}
