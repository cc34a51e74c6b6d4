// Shows the answer of a route in its card. Without JavaScript the links open as pages.
for (const link of document.querySelectorAll(".kinds a")) {
  const output = link.querySelector("output");
  link.addEventListener("click", async (event) => {
    event.preventDefault();
    output.textContent = "…";
    const response = await fetch(link.href, { headers: { accept: "text/plain" } });
    output.classList.toggle("complaint", !response.ok);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      output.textContent = piece.value.trim().split("\n").at(-1);
    }
  });
}
