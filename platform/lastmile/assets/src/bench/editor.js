import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { go } from "@codemirror/lang-go";
import { yaml } from "@codemirror/lang-yaml";
import { bracketMatching, foldGutter, foldKeymap, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorState, Prec } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { el, icon } from "../lib/dom.js";
import { language, t } from "../lib/words.js";

const colours = HighlightStyle.define([
  { tag: tags.comment, color: "var(--code-comment)" },
  { tag: [tags.keyword, tags.controlKeyword, tags.definitionKeyword, tags.moduleKeyword, tags.operatorKeyword], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--code-string)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "var(--code-number)" },
  { tag: [tags.function(tags.variableName), tags.function(tags.propertyName), tags.typeName, tags.definition(tags.typeName)], color: "var(--code-name)" },
  { tag: tags.definition(tags.propertyName), color: "var(--code-name)" },
  { tag: tags.heading, fontWeight: "600" },
  { tag: tags.link, color: "var(--accent)" },
]);

const looks = EditorView.theme({
  "&": { height: "100%", fontSize: "13.5px", color: "var(--ink)", backgroundColor: "var(--paper-raised)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.6", fontFeatureSettings: "'calt' 0" },
  ".cm-content": { padding: "12px 0", caretColor: "var(--ink)" },
  ".cm-line": { padding: "0 16px 0 8px" },
  ".cm-gutters": { backgroundColor: "var(--paper-raised)", color: "var(--ink-faint)", border: "none" },
  ".cm-lineNumbers .cm-gutterElement": { padding: "0 8px 0 12px", minWidth: "36px" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--paper-sunken) 70%, transparent)" },
  ".cm-activeLineGutter": { backgroundColor: "transparent", color: "var(--ink)" },
  ".cm-cursor": { borderLeftColor: "var(--accent)", borderLeftWidth: "2px" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--selection)" },
  ".cm-selectionMatch": { backgroundColor: "var(--code-mark)" },
  ".cm-matchingBracket": { backgroundColor: "var(--accent-soft)", outline: "1px solid var(--line-control)" },
  ".cm-foldGutter .cm-gutterElement": { color: "var(--ink-faint)" },
  ".cm-gutter-lint": { width: "14px" },
  ".cm-gutter-lint .cm-gutterElement": { padding: "0" },
  ".cm-lint-marker-error": { content: "none", width: "10px", height: "10px", margin: "5px 2px", borderRadius: "2px", backgroundColor: "var(--fail)" },
  ".cm-lint-marker-warning": { content: "none", width: "10px", height: "10px", margin: "5px 2px", borderRadius: "50%", backgroundColor: "var(--ours)" },
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--fail) 1px", textUnderlineOffset: "4px" },
  ".cm-lintRange-warning": { backgroundImage: "none", textDecoration: "underline wavy var(--ours) 1px", textUnderlineOffset: "4px" },
  ".cm-tooltip": { border: "1px solid var(--line-strong)", borderRadius: "6px", backgroundColor: "var(--paper-raised)", color: "var(--ink)" },
  ".cm-diagnostic": { padding: "6px 12px", borderLeft: "3px solid var(--fail)", fontFamily: "var(--sans)", fontSize: "13px", maxWidth: "480px" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent-fill)", color: "var(--on-accent)" },
  ".cm-panels": { backgroundColor: "var(--paper-sunken)", color: "var(--ink)", borderColor: "var(--line)", fontFamily: "var(--sans)" },
  ".cm-textfield, .cm-button": { border: "1px solid var(--line-control)", borderRadius: "4px", background: "var(--paper-raised)", color: "var(--ink)" },
});

const zh = {
  Find: "查找",
  Replace: "替换",
  next: "下一个",
  previous: "上一个",
  all: "全部",
  "match case": "区分大小写",
  regexp: "正则",
  "by word": "整词",
  replace: "替换",
  "replace all": "全部替换",
  close: "关闭",
  "current match": "当前匹配",
  "on line": "在第几行",
  "Fold line": "折叠",
  "Unfold line": "展开",
  "Diagnostics": "问题",
};

const languages = { go, yaml, yml: yaml };

/** Fetches the colours of languages that few labs have. Call it before the editor is made. */
export async function loadLanguages(files) {
  const any = (form) => files.some((file) => form.test(file.path));
  if (any(/\.md$/)) languages.md = (await import("@codemirror/lang-markdown")).markdown;
  if (any(/\.[ch]$/)) languages.c = languages.h = (await import("@codemirror/lang-cpp")).cpp;
}

/** Several files in tabs, one editor. Lives in a shadow root, where its styles need no exception in the policy. */
export class Editor {
  /** @param on {change(), submit()} */
  constructor(host, tablist, files, on) {
    this.files = files = [...files].sort(byImportance);
    this.tablist = tablist;
    this.on = on;
    this.problems = new Map();
    this.states = new Map(files.map((file) => [file.path, this.state(file)]));
    const root = host.attachShadow({ mode: "open" });
    const box = el("div");
    box.style.height = "100%";
    root.append(box);
    this.host = host;
    this.view = new EditorView({ parent: box, root, state: this.states.get(files[0]?.path) });
    this.drawTabs();
    this.open(files[0]?.path);
  }

  state(file, text = file.text) {
    const extension = file.path.split(".").at(-1);
    return EditorState.create({
      doc: text,
      extensions: [
        lineNumbers(),
        foldGutter(),
        highlightActiveLineGutter(),
        history(),
        drawSelection(),
        indentOnInput(),
        bracketMatching(),
        closeBrackets(),
        autocompletion({ activateOnTyping: false }),
        highlightActiveLine(),
        highlightSelectionMatches(),
        lintGutter(),
        syntaxHighlighting(colours),
        looks,
        languages[extension]?.() ?? [],
        indentUnit.of(extension === "go" ? "\t" : "  "),
        EditorState.tabSize.of(4),
        EditorState.phrases.of(language === "zh" ? zh : {}),
        EditorState.readOnly.of(!file.editable),
        EditorView.contentAttributes.of({ "aria-label": file.path + (file.editable ? "" : ` (${t("readOnly")})`), tabindex: "0" }),
        Prec.highest(keymap.of([{ key: "Mod-Enter", run: () => (this.on.submit(), true), preventDefault: true }])),
        keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap, ...completionKeymap, ...lintKeymap, indentWithTab]),
        EditorView.updateListener.of((update) => {
          if (!update.docChanged) return;
          this.states.set(this.current, update.state);
          this.on.change();
        }),
      ],
    });
  }

  drawTabs() {
    this.tablist.replaceChildren(
      ...this.files.map((file) => {
        const problems = this.problems.get(file.path)?.length;
        return el(
          "button",
          {
            type: "button",
            role: "tab",
            "aria-selected": file.path === this.current ? "true" : "false",
            tabindex: file.path === this.current ? 0 : -1,
            "data-path": file.path,
            onclick: () => this.open(file.path),
          },
          file.path,
          file.editable ? null : [lock(), el("span", { class: "visually-hidden" }, t("readOnly"))],
          problems ? [
                el("span", { class: "problems", "aria-hidden": "true" }, String(problems)),
                el("span", { class: "visually-hidden" }, t("problem", { n: problems })),
              ] : null,
        );
      }),
    );
    if (this.listening) return;
    this.listening = true;
    this.tablist.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const at = this.files.findIndex((file) => file.path === this.current);
      this.open(this.files[(at + step + this.files.length) % this.files.length].path);
      this.tablist.querySelector('[aria-selected="true"]').focus();
    });
  }

  open(path, line = 0) {
    if (!this.states.has(path)) return;
    this.on.open?.(path);
    if (this.current) this.states.set(this.current, this.view.state);
    this.current = path;
    this.view.setState(this.states.get(path));
    this.drawTabs();
    this.tablist.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest", inline: "nearest" });
    if (!line) return;
    const at = this.view.state.doc.line(Math.min(line, this.view.state.doc.lines));
    this.view.dispatch({ selection: { anchor: at.from }, effects: EditorView.scrollIntoView(at.from, { y: "center" }) });
    this.view.focus();
  }

  /** A new file of the learner's own; opens it. */
  add(path, text = path.endsWith(".go") ? "package main\n" : "") {
    const file = { path, text, starter: null, editable: true };
    this.files.push(file);
    this.states.set(path, this.state(file));
    this.open(path);
    this.on.change();
  }

  /** Takes away a file that the starter does not have. */
  remove(path) {
    this.files = this.files.filter((file) => file.path !== path);
    this.states.delete(path);
    if (this.current === path) {
      this.current = null;
      this.open(this.files[0].path);
    }
    this.drawTabs();
    this.on.change();
  }

  has(path) {
    return this.states.has(path);
  }

  /** Whether the open file is the learner's own, so that it may be deleted. */
  ownFile() {
    const file = this.files.find((each) => each.path === this.current);
    return Boolean(file?.editable) && !file.starter;
  }

  /** Where the files are that the starter does not have. */
  ownPaths() {
    return this.files.filter((file) => file.editable && !file.starter).map((file) => file.path);
  }

  /** The editable files as {path: text}. */
  texts() {
    return Object.fromEntries(this.files.filter((file) => file.editable).map((file) => [file.path, this.states.get(file.path).doc.toString()]));
  }

  /** Replaces texts; the open file keeps its undo history. */
  replace(texts) {
    for (const [path, text] of Object.entries(texts)) {
      const file = this.files.find((each) => each.path === path);
      if (!file) {
        this.add(path, text);
        continue;
      }
      if (!file.editable) continue;
      if (path === this.current) this.view.dispatch({ changes: { from: 0, to: this.view.state.doc.length, insert: text } });
      else this.states.set(path, this.state(file, text));
    }
    this.on.change();
  }

  /** Shows what gofmt, vet and the compiler said: in the line, in the gutter, and as a count on the tab. */
  show(diagnostics) {
    this.problems = new Map();
    for (const item of diagnostics) this.problems.set(item.file, [...(this.problems.get(item.file) ?? []), item]);
    if (this.current) this.states.set(this.current, this.view.state);
    for (const file of this.files) {
      const state = this.states.get(file.path);
      const marks = (this.problems.get(file.path) ?? []).map((item) => place(state.doc, item));
      this.states.set(file.path, state.update(setDiagnostics(state, marks)).state);
    }
    this.view.setState(this.states.get(this.current));
    this.drawTabs();
  }
}

/** What can be edited first, main.go before the rest, then what is less deep. */
function byImportance(a, b) {
  const rank = (file) => [!file.editable, file.path !== "main.go", file.path.split("/").length, file.path.includes("generated"), file.path];
  const [x, y] = [rank(a), rank(b)];
  const at = x.findIndex((value, index) => value !== y[index]);
  return at < 0 ? 0 : x[at] < y[at] ? -1 : 1;
}

function place(doc, item) {
  const line = doc.line(Math.min(Math.max(item.line, 1), doc.lines));
  const from = Math.min(line.from + Math.max(item.column - 1, 0), line.to);
  const word = /^\w+/.exec(doc.sliceString(from, line.to));
  const to = item.column ? Math.min(from + (word?.[0].length ?? 1), line.to) : line.to;
  const severity = item.advice ? "warning" : "error";
  return { from, to: Math.max(to, from), severity, source: item.tool, message: item.message };
}

function lock() {
  const node = icon("lock");
  node.classList.add("read-only");
  return node;
}
