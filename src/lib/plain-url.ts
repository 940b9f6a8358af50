/** The URL without slashes at its end, where it is a plain one over http or https: no credentials, no query. */
export function parsePlainUrl(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const bare =
    url && /^https?:$/.test(url.protocol) && url.search + url.hash + url.username + url.password === ''
  return bare ? url.href.replace(/\/+$/, '') : undefined
}
