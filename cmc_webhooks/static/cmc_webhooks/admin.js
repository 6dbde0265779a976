// Copy buttons: shown where the browser can copy, and only then.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    if (!navigator.clipboard) {
        return;
    }
    for (const button of document.querySelectorAll(".cmc-copy")) {
        const words = button.textContent;
        button.hidden = false;
        button.addEventListener("click", async () => {
            try {
                await navigator.clipboard.writeText(button.dataset.copy);
                button.textContent = button.dataset.copied;
                setTimeout(() => { button.textContent = words; }, 2000);
            } catch {
                button.hidden = true;
            }
        });
    }
});
