// Globs of lab.toml, read as labs/harness/globs.py reads them: `*` and `?` stay within one folder, `**` crosses folders.
const known = { "**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]" };
const plain = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Whether a slash-separated path matches, all of it. */
export function matches(path, pattern) {
  const parts = pattern.split(/(\*\*\/|\*\*|\*|\?)/);
  return new RegExp(`^${parts.map((part) => known[part] ?? plain(part)).join("")}$`).test(path);
}
