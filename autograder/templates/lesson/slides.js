// Arrows, Page keys and Space turn; Home and End jump; F fills the screen; Escape gives the keys back from a slider.
const slides = [...document.querySelectorAll('section')];
const [previous, next] = document.querySelectorAll('nav button');
const list = document.querySelector('nav select');
const title = document.title;
let now = -1;

// Letters and pictures as large as the slide allows. Where there is a picture, it gives way before the words do.
function fit(slide) {
  const content = slide.firstElementChild, pictures = [...slide.querySelectorAll('figure')];
  const demo = slide.classList.contains('demo');
  content.style.zoom = 1.3;
  if (demo && pictures.length && search(pictures, 0.55, 1.3)) return;
  search([content], 0.4, demo ? 1.6 : 2);

  function search(elements, low, high) {
    const fits = zoom => {
      for (const element of elements) element.style.zoom = zoom;
      return slide.scrollHeight <= slide.clientHeight && slide.scrollWidth <= slide.clientWidth;
    };
    if (fits(high)) return true;
    while (high - low > 0.02) {
      const middle = (low + high) / 2;
      if (fits(middle)) low = middle; else high = middle;
    }
    return fits(low);
  }
}

function show(place) {
  place = Math.max(0, Math.min(slides.length - 1, place));
  if (place === now) return;
  if (now >= 0) slides[now].classList.remove('now');
  now = place;
  slides[now].classList.add('now');
  fit(slides[now]);
  slides[now].focus({ preventScroll: true }); // a screen reader reads it, and the keys are no longer a slider's
  list.selectedIndex = now;
  previous.disabled = now === 0;
  next.disabled = now === slides.length - 1;
  document.title = `${now + 1} · ${title}`;
  history.replaceState(null, '', `#${now + 1}`);
}

const scale = () => {
  const stage = Math.min(innerWidth / 1280, innerHeight / 720);
  document.documentElement.style.setProperty('--scale', stage);
};

slides.forEach((slide, place) => {
  const heading = slide.querySelector('h1, h2, h3')?.textContent ?? '';
  slide.tabIndex = -1;
  slide.setAttribute('role', 'group');
  slide.setAttribute('aria-roledescription', 'slide');
  slide.setAttribute('aria-label', `${place + 1} of ${slides.length}`);
  list.add(new Option(`${place + 1} / ${slides.length}\u2003\u2003${heading}`));
});
document.documentElement.classList.add('js');
document.querySelector('nav').hidden = false;
previous.onclick = () => show(now - 1);
next.onclick = () => show(now + 1);
list.onchange = () => show(list.selectedIndex);

document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const key = event.key;
  const inside = event.target.closest('input, select, textarea, summary, button, a');
  // a presenter's remote sends the Page keys: they always turn; the others belong to what has the focus
  if (key === 'PageDown') show(now + 1);
  else if (key === 'PageUp') show(now - 1);
  else if (key === 'Escape') inside?.blur();
  else if (inside && !(inside.matches('summary, button, a') && key.startsWith('Arrow'))) return;
  else if (key === 'ArrowRight' || key === 'ArrowDown' || (key === ' ' && !event.shiftKey)) show(now + 1);
  else if (key === 'ArrowLeft' || key === 'ArrowUp' || key === ' ') show(now - 1);
  else if (key === 'Home') show(0);
  else if (key === 'End') show(slides.length - 1);
  else if (key === 'f') document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen();
  else return;
  event.preventDefault();
});
document.addEventListener('toggle', () => fit(slides[now]), true);
addEventListener('resize', scale);
addEventListener('hashchange', () => show(parseInt(location.hash.slice(1)) - 1 || 0));
addEventListener('beforeprint', () => slides.forEach(slide => {
  slide.classList.add('now');
  fit(slide);
}));
addEventListener('afterprint', () => slides.forEach((slide, place) => slide.classList.toggle('now', place === now)));
addEventListener('load', () => fit(slides[now])); // now the sizes of the pictures are known
scale();
show(parseInt(location.hash.slice(1)) - 1 || 0);
