// The contents follow the scroll: the chapter that is read is marked, and kept in sight.
function startContents() {
  const links = [...document.querySelectorAll("nav .contents a")];
  const chapters = links.map((link) => document.getElementById(link.hash.slice(1)));
  let now = -1;
  const mark = () => {
    const line = window.innerHeight / 3;
    const read = chapters.reduce((best, chapter, i) => (chapter.getBoundingClientRect().top <= line ? i : best), 0);
    if (read === now) return;
    now = read;
    links.forEach((link, i) => (i === now ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")));
    keepInSight(links[now]);
  };
  let waiting = false;
  document.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      mark();
    });
  }, { passive: true });
  mark();
}

/** Move the list of contents, never the page. */
function keepInSight(link) {
  const list = link.closest("ul");
  const [outer, inner] = [list.getBoundingClientRect(), link.getBoundingClientRect()];
  if (inner.left < outer.left || inner.right > outer.right) list.scrollLeft += inner.left - outer.left - 40;
  if (inner.top < outer.top || inner.bottom > outer.bottom) list.scrollTop += inner.top - outer.top - 60;
}
