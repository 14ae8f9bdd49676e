"""The closed word classes, and the common words of captions, that tell where a noun phrase ends.

Lists, not a tagger: captions are short and much alike, and a tagger brings a model. What is missing here is taken for a
noun, which is right for most words that captions use.
"""


def words(text: str) -> frozenset[str]:
    """The set of words in a text."""
    return frozenset(text.split())


DETERMINERS = words(
    "a an the this that these those my your his her its our their some any no another each every both all one two "
    "three four five six seven eight nine ten eleven twelve dozen several many few multiple various numerous"
)
ARTICLES = words("a an the this these those my your his her its our their another each every both")
"""of these, what can only begin a new noun phrase"""
PREPOSITIONS = words(
    "in on at with of by from near under over behind before beside beneath between next against inside outside "
    "through to for into onto across along alongside around above below atop among amongst amid during after "
    "towards toward upon within without past off out up down about beyond underneath opposite like as than via per"
)
OTHERS = words(
    "that which who whom whose where when while because since if but so then there here not nor or & it he she we "
    "they you i is are was were be been being has have had could will would may might must does do did together "
    "away apart alone full"
)
"""relative words, conjunctions, pronouns and auxiliary verbs; "full" as in "a plate full of" """
CLOSING = PREPOSITIONS | OTHERS
"""words that end a noun phrase"""

NOUNS_IN_ING = words(
    "building ring king wing string spring ceiling painting drawing wedding clothing railing awning earring "
    "duckling sibling gosling sapling seedling swing thing evening morning crossing pudding dumpling herring "
    "starling icing frosting stuffing bedding lighting seating flooring fencing scaffolding carving engraving "
    "rendering etching darling offspring bling wiring piping plumbing siding topping netting rigging bearing "
    "housing lettering lightning meeting nothing something anything everything outing paving planking roofing "
    "sterling tubing viking"
)
NOUNS_IN_ED = words(
    "bed seabed flatbed sunbed daybed flowerbed riverbed shed sled bobsled dogsled toolshed watershed seed birdseed "
    "weed seaweed reed feed steed breed crossbreed speed deed need creed greed moped biped quadruped newlywed "
    "thoroughbred purebred red infrared hundred kindred bread sacred naked wicked rugged"
)
"""nouns and adjectives that look like participles"""
PARTICIPLES = words(
    "made built seen held worn shown taken lit cut left set drawn written shot caught hung torn broken frozen "
    "hidden driven ridden eaten stuck spread sewn woven bent laid lain thrown blown flown split bound wound fed sat "
    "stood lay led kept found sold bought born grown known strewn overgrown sunk drunk tucked"
)
"""irregular ones"""
TRANSITIVE = words(
    "wearing holding eating chasing carrying biting drinking licking watching catching pulling pushing riding using "
    "making having showing facing playing driving flying reading cooking cutting throwing hitting kicking swinging "
    "sniffing selling taking getting doing feeding smoking brushing serving preparing performing featuring "
    "containing displaying overlooking covering surrounding towing hauling walking chewing hugging kissing petting "
    "pouring stirring depicting directing"
)
"""verbs that end a noun phrase though a thing without article follows them"""
VERBS = words(
    "sits stands lies lays looks runs walks plays rides holds wears eats drinks sleeps drives flies jumps stares "
    "gazes rests waits hangs swims climbs carries pulls pushes sees poses smiles leans catches chases bites licks "
    "watches grazes floats crosses passes reads talks cooks throws hits kicks enjoys relaxes performs prepares "
    "shows features contains peeks peers rolls yawns barks perches roams gallops depicts"
)
PLURAL_VERBS = words(
    "sit stand lie look run walk play ride hold wear eat drink sleep drive fly jump stare gaze rest wait hang swim "
    "climb carry pull pose smile lean graze float cross talk gather perch roam gallop"
)
"""of things in the plural, before what else ends a noun phrase"""
ADVERBS = words(
    "underwater outdoors outside indoors inside nearby upright overhead forward backwards downhill uphill home"
)
"""without -ly; what may follow a verb"""
ADJECTIVES_IN_LY = words(
    "friendly lovely ugly curly silly cuddly wobbly elderly lonely early woolly lively holy smelly"
)
PHRASAL = frozenset(
    (("pick", "up"), ("pop", "up"), ("drive", "in"), ("roll", "up"), ("fold", "out"), ("cut", "out"), ("cut", "up"))
)
"""nouns written as two words of which the second looks like a preposition"""

COLOURS = words(
    "black white grey gray red green blue yellow brown purple pink beige tan teal maroon blonde golden silver orange"
)
PLAIN_COLOURS = COLOURS - words("orange golden silver tan pink teal maroon blonde")
"""those that name no thing"""
ADJECTIVES = words(
    "big small large little tiny huge giant tall short long old young new modern ancient vintage antique cute happy "
    "sad lovely beautiful pretty ugly fluffy furry fuzzy hairy shaggy calm curious friendly funny sleepy shy proud "
    "gentle quiet wild adorable dark bright light pale colorful colourful wooden metallic empty open closed clean "
    "dirty wet dry hot cold warm fresh ripe green raw round square flat thin thick fat wide narrow deep shallow "
    "high low heavy sunny cloudy snowy foggy rainy stormy grassy rocky sandy muddy dusty busy crowded lonely bare "
    "bald fancy simple plain shiny smooth rough soft hard sharp sweet spicy tasty delicious healthy strong weak "
    "fast slow loud serious angry brave lazy playful elderly male female different single double rustic elegant "
    "cozy cosy scenic ornate striped spotted various nice good bad great real fake rusty abandoned"
)
ATTRIBUTES = COLOURS | ADJECTIVES
GIVEN = PLAIN_COLOURS | words(
    "big small large tiny huge tall old young modern ancient vintage fluffy furry shaggy happy sad sleepy angry "
    "wooden metallic empty dirty wet rusty shiny colorful colourful ornate elegant striped spotted"
)
"""attributes that a target may give to the thing that is there; all of them are no nouns"""

DEPICTIONS = words(
    "photo photograph picture image painting drawing sketch snapshot portrait close-up closeup shot view "
    "illustration rendering render cartoon watercolor watercolour print scan selfie still video screenshot scene "
    "engraving etching photography depiction poster statue sculpture figurine replica silhouette shadow reflection "
    "model map"
)
CONTAINERS = words(
    "cup mug glass bowl plate bottle jar can box bag basket bucket pot pan vase tray pitcher jug tub dish carton "
    "crate barrel sack packet pack teacup saucer goblet tin"
)
MEASURES = CONTAINERS | words(
    "piece slice group pair couple bunch pile stack set row herd flock pack crowd collection number lot variety "
    "kind type sort bit handful loaf bouquet cluster line series swarm school team family assortment array heap "
    "bundle sheet strip stretch body patch bed dozen hundred thousand drop pinch spoonful chunk block stick bar "
    "roll ball scoop portion serving dozens hundreds thousands litter string band league trio duo gang"
)
PLACES = words(
    "front back top bottom side inside interior exterior middle center centre edge end corner rest part half face "
    "head body surface outside rear tip base"
)
TRANSPARENT = DEPICTIONS | MEASURES | PLACES
"""nouns of which, before "of", what follows is what the picture shows"""
BODY = words(
    "face head eye eyes ear ears nose mouth tongue teeth paw paws tail neck back leg legs foot feet hand hands arm "
    "arms body fur hair whiskers wing wings beak snout profile muzzle belly"
)
"""parts of which, after a possessive, the owner is what the picture shows"""
