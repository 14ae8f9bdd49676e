// Another intensity by keyboard: Gradio tells of one when a pointer lets go, or a field of numbers is left.
() => {
  let timer = 0;
  const within = (event) => event.target.closest && event.target.closest("#strength");
  const settle = (slider) => slider.dispatchEvent(new PointerEvent("pointerup", { bubbles: true }));
  document.addEventListener("pointerup", (event) => within(event) && clearTimeout(timer));
  document.addEventListener("keyup", (event) => {
    const field = event.target;
    if (!within(event)) return;
    if (field.type === "range" && /^(Arrow|Page|Home|End)/.test(event.key)) {
      clearTimeout(timer);
      timer = setTimeout(() => settle(field), 500); // when the key rests
    } else if (field.type === "number" && event.key === "Enter") field.blur();
  });
}
