/** Credentials stay out of everything that the command writes. */

/** The text with `***` in the place of passwords in URLs, and of options in URLs that hold a secret. */
export function maskCredentials(text: string): string {
  return text
    .replace(/([a-z][a-z0-9+.-]*:\/\/[^\s/:@]*):[^\s/@]*@/gi, "$1:***@")
    .replace(/([?&][^=&\s]*(?:password|passwd|secret|token|key)[^=&\s]*=)[^&\s]*/gi, "$1***");
}
