// What the two pictures of the slider show, for who does not see them: Gradio leaves that empty.
() => {
  const NAMES = ["The photograph before the edit", "The photograph after the edit"];
  const name = () => {
    const pictures = document.querySelectorAll("#slider .slider-wrap img");
    pictures.forEach((picture, n) => (picture.alt = NAMES[n] || ""));
  };
  new MutationObserver(name).observe(document.body, { subtree: true, childList: true });
}
