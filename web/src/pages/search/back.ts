/** A duration as the server says it ("720h0m0s"), as the Search page's address has it ("30d"); "" for none. */
export function back(of: string | undefined): string {
  const m = /^(?:(\d+)h)?(?:(\d+)m)?(?:\d+s)?$/.exec(of ?? '');
  const hours = Number(m?.[1] ?? 0);
  const minutes = Number(m?.[2] ?? 0);
  if (minutes > 0) return `${hours * 60 + minutes}m`;
  if (hours === 0) return '';
  return hours > 24 && hours % 24 === 0 ? `${hours / 24}d` : `${hours}h`;
}
