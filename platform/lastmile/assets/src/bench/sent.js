// Drafts that were sent and not answered: the answer was lost, or the page was left before it came.

/** Whether two drafts hold the same texts. The server answers with the paths in an order of its own. */
export function same(one, other) {
  const paths = Object.keys(one);
  return paths.length === Object.keys(other).length && paths.every((path) => one[path] === other[path]);
}

export class Sent {
  constructor(lab) {
    this.key = `draft-sent:${document.documentElement.dataset.reader}:${lab}`;
    this.unanswered = [];
    this.keeps = 0;
  }

  add(files) {
    if (!this.has(files)) this.unanswered.push(files);
  }

  /** Whether a draft is one of this page's own, which may have been stored although no answer came. */
  has(files) {
    return this.unanswered.some((each) => same(each, files));
  }

  answered() {
    this.unanswered = [];
  }

  /** When the server has what is newer than what was kept. Not while the page is left: the next one may be made already. */
  drop() {
    try {
      sessionStorage.removeItem(this.key);
    } catch {
      // no storage: nothing is there
    }
  }

  /** For the page that comes next in this tab: it may be made before what is sent now has arrived, and arrive after it. */
  keep(files, version) {
    this.add(files);
    this.keeps += 1;
    this.drop(); // an older one must not stay where there is no room for this
    try {
      sessionStorage.setItem(this.key, JSON.stringify({ files, version, unanswered: this.unanswered }));
    } catch {
      // no room, or no storage: the request alone has to do
    }
  }

  /** The files that the page before sent when it was left, or null once the server has a draft of after `version`. */
  kept(version) {
    try {
      const left = JSON.parse(sessionStorage.getItem(this.key));
      sessionStorage.removeItem(this.key);
      if (left?.version !== version) return null;
      this.unanswered = left.unanswered; // what has arrived by now is no other window's
      return left.files;
    } catch {
      return null;
    }
  }
}
