// Asks before the page is left or loaded anew where something was made or runs: another page has another desk.
() => {
  document.documentElement.style.overscrollBehaviorY = "contain"; // on a phone no pull loads it anew
  const runs = (name) => document.querySelector(name)?.getClientRects().length; // the button that stops it is seen
  const asks = (event) => {
    if (document.querySelector("#history .zs-card, #cards .zs-card") || runs("#stop") || runs("#halt")) {
      event.preventDefault();
      event.returnValue = true; // for browsers that do not heed the other
      event.stopImmediatePropagation(); // Gradio would hang up, and who stays could do nothing more
    }
  };
  window.addEventListener("beforeunload", asks, { capture: true });
}
