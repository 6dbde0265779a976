// Pagefind cuts Japanese pages into words, and finds pages that have any of the words typed. It cuts names too:
// cmc_prune is cmc, _ and prune there. A name or a compound (配信停止) is therefore looked for as a phrase first,
// and by its words only if no page has the phrase.

const NAME = /^[A-Za-z0-9]+([._][A-Za-z0-9]+)+$/;
const COMPOUND = /^[\p{Script=Han}\p{Script=Katakana}ー]{3,}$/u;

const asPhrase = (typed) => {
  const word = (typed ?? "").trim();
  if (NAME.test(word)) return `"${word.split(/([._])/).join(" ")}"`;
  return COMPOUND.test(word) ? `"${word}"` : null;
};

const withPhrases = (pagefind) => {
  const search = async (typed, options) => {
    const phrase = asPhrase(typed);
    const found = phrase && (await pagefind.search(phrase, options));
    return found?.results.length ? found : pagefind.search(typed, options);
  };
  return new Proxy(pagefind, { get: (own, name) => (name === "search" ? search : own[name]) });
};

if (document.documentElement.lang === "ja") {
  const instance = window.PagefindComponents.getInstanceManager().getInstance("default");
  const load = instance.__load__.bind(instance);
  let wrapped = null;
  instance.__load__ = async () => {
    await load();
    if (instance.__pagefind__ && instance.__pagefind__ !== wrapped) {
      wrapped = withPhrases(instance.__pagefind__);
      instance.__pagefind__ = wrapped;
    }
  };
}
